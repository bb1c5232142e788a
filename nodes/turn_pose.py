"""Turn Pose: a pose as it looks from another side."""

from comfy_api.latest import io

from ..cfld_modules.poses.keypoints import write_pose_keypoints
from .previews import preview_poses
from .types import POSES, BodyType, PoseType, check_widgets, read_poses

NODE = "Turn Pose"


class CFLDTurnPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDTurnPose",
            display_name=NODE,
            category=POSES,
            description="Shows a pose from another side: puts it in space with a small network that comes along, turns "
            "it, and puts it back on its canvas in the same size. Several frames make a turntable.",
            search_aliases=[
                "rotate pose", "turntable", "3d pose", "pose lifting", "other view", "turn around", "character sheet",
            ],
            inputs=[
                io.MultiType.Input(
                    "pose", [PoseType, BodyType],
                    tooltip="The pose to turn, or several. Where it carries pose_keypoints_3d, or comes from Predict "
                    "SAM3D Body, these are used instead of estimated depth.",
                ),
                io.Float.Input(
                    "angle", default=45.0, min=0.0, max=360.0, step=1.0,
                    tooltip="Degrees, clockwise as seen from above: who faces the viewer faces the left edge of the "
                    "picture at 90, away at 180, the right edge at 270. At 0 and 360 the pose stays as it is.",
                ),
                io.Float.Input(
                    "tilt", default=0.0, min=-90.0, max=90.0, step=1.0,
                    tooltip="Degrees: above 0 the pose is seen from above, below 0 from below.",
                ),
                io.Int.Input(
                    "frames", default=1, min=1, max=360,
                    tooltip="1 gives the one view. More give a turntable: as many views, evenly around the whole "
                    "circle, the first at the angle. Set the latent's batch size to as many.",
                ),
            ],
            outputs=[PoseType.Output(
                "pose", tooltip="The views, one a frame; of several poses, all views of the first come first."
            )],
        )

    @classmethod
    def execute(cls, pose: object, angle: float, tilt: float, frames: int) -> io.NodeOutput:
        from ..cfld_modules.poses.turning import turntable  # here, for a small start of ComfyUI

        check_widgets(cls, angle=angle, tilt=tilt, frames=frames)
        poses = read_poses(NODE, "pose", pose)
        views = [view for one in poses for view in turntable(one, angle, tilt, frames)]
        return io.NodeOutput(write_pose_keypoints(views), ui=preview_poses(views))
