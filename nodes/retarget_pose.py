"""Retarget Pose: puts a pose on the proportions of the person who is to take it."""

from comfy_api.latest import io

from ..cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from ..cfld_modules.poses.keypoints_3d import in_metres
from .previews import preview_poses
from .types import POSES, PoseType, check_widgets, read_poses

NODE = "Retarget Pose"


class CFLDRetargetPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDRetargetPose",
            display_name=NODE,
            category=POSES,
            description="Gives a pose the proportions of another person: size and place too, so that a child does not "
            "get the body of the adult the pose was taken from.",
            search_aliases=["pose retargeting", "body proportions", "limb lengths", "rescale skeleton"],
            inputs=[
                PoseType.Input("pose", tooltip="The pose to take: the directions of the limbs come from here."),
                PoseType.Input(
                    "reference", tooltip="Key points of the source person, e.g. from Detect Pose: lengths, widths, "
                    "head size, floor, place and canvas come from here. One for all poses, or one a pose.",
                ),
                io.Combo.Input(
                    "motion", options=["stay", "follow"], default="stay", optional=True,
                    tooltip="stay: every pose stands where the reference stands. follow: for the frames of a video; "
                    "the first stands there, the others move from there as the person does, in the reference's size.",
                ),
            ],
            outputs=[PoseType.Output("pose", tooltip="The pose, on the reference's body and canvas.")],
        )

    @classmethod
    def execute(cls, pose: object, reference: object, motion: str = "stay") -> io.NodeOutput:
        from ..cfld_modules.poses.lifting import lift_visible  # here, for a small start of ComfyUI
        from ..cfld_modules.poses.retarget import retarget, retarget_motion

        check_widgets(cls, motion=motion)
        poses, references = read_poses(NODE, "pose", pose), read_poses(NODE, "reference", reference)
        count = max(len(poses), len(references))
        if not {len(poses), len(references)} <= {1, count}:
            raise ValueError(
                f"{NODE}: input 'reference' has {len(references)} frames for {len(poses)} poses; give one, or as many"
            )
        if motion == "follow" and len(references) > 1:
            raise ValueError(
                f"{NODE}: input 'reference' has {len(references)} frames, but motion 'follow' moves one body; give "
                "one frame, or set motion to 'stay'"
            )
        is_flat = all(one.keypoints_3d is None for one in poses)
        people, bodies = ([one if is_flat else lift_visible(one) for one in some] for some in (poses, references))
        if motion == "follow":
            retargeted = retarget_motion(people, bodies[0])
        else:
            retargeted = [retarget(people[n % len(people)], bodies[n % len(bodies)]) for n in range(count)]
        if not is_flat:
            retargeted = [
                Pose(
                    space.points[:, :2], space.width, space.height,
                    in_metres(space.points, poses[index % len(poses)].keypoints_3d),
                )
                for index, space in enumerate(retargeted)
            ]
        return io.NodeOutput(write_pose_keypoints(retargeted), ui=preview_poses(retargeted))
