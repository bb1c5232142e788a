"""Load Pose and Draw Pose: key points from files, and key points as a picture."""

import os
from pathlib import Path

import folder_paths
import numpy as np
from comfy_api.latest import io

from ..cfld_modules.poses.keypoints import PoseError, write_pose_keypoints
from ..cfld_modules.poses.pose_drawing import STYLES, draw_pose_in_style
from ..cfld_modules.poses.reading import parse_pose_json
from .types import CATEGORY, PoseType, image_batch, read_poses

BUNDLED = Path(__file__).parent.parent / "web" / "poses"


class CFLDLoadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDLoadPose",
            display_name="Load Pose",
            category=CATEGORY,
            description="A bundled pose, or an OpenPose JSON file from ComfyUI's input folder.",
            search_aliases=["openpose json", "pose preset", "load keypoints", "target pose"],
            inputs=[
                io.Combo.Input(
                    "pose", options=pose_names(),
                    tooltip="Bundled poses first, then the .json files in ComfyUI's input folder.",
                ),
            ],
            outputs=[PoseType.Output("pose", tooltip="Key points, one frame a pose in the file.")],
        )

    @classmethod
    def validate_inputs(cls, pose: str) -> bool | str:
        if pose in pose_names():
            return True
        return (
            f"Load Pose: pose '{pose}' is neither a bundled pose nor a .json file in ComfyUI's input folder; put the "
            "file there and reload the page."
        )

    @classmethod
    def fingerprint_inputs(cls, pose: str) -> tuple:
        path = _pose_path(pose)
        return (str(path), os.path.getmtime(path))

    @classmethod
    def execute(cls, pose: str) -> io.NodeOutput:
        try:
            poses = parse_pose_json(_pose_path(pose).read_bytes())
        except PoseError as error:
            raise ValueError(f"Load Pose: input 'pose': '{pose}': {error}") from error
        return io.NodeOutput(write_pose_keypoints(poses))


class CFLDDrawPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDrawPose",
            display_name="Draw Pose",
            category=CATEGORY,
            description="Draws key points: as CFLD's pose adapter sees them, or as ControlNet OpenPose expects them.",
            search_aliases=["render pose", "openpose image", "keypoints to image", "skeleton"],
            inputs=[
                PoseType.Input("pose", tooltip="Key points of any detector; of several people the largest is drawn."),
                io.Int.Input("width", default=352, min=16, max=16384, tooltip="Width of the picture in pixels."),
                io.Int.Input("height", default=512, min=16, max=16384, tooltip="Height of the picture in pixels."),
                io.Combo.Input(
                    "style", options=list(STYLES), default="cfld",
                    tooltip="cfld: thin lines, as the network was trained; openpose: thick limbs, for an OpenPose "
                    "ControlNet beside CFLD.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="One picture a frame.")],
        )

    @classmethod
    def execute(cls, pose: object, width: int, height: int, style: str) -> io.NodeOutput:
        drawings = [draw_pose_in_style(one, width, height, style) for one in read_poses("Draw Pose", "pose", pose)]
        return io.NodeOutput(image_batch([np.ascontiguousarray(drawing) for drawing in drawings]))


def pose_names() -> list[str]:
    """Bundled poses without ending, then the JSON files in the input folder."""
    bundled = sorted(path.stem for path in BUNDLED.glob("*.json"))
    folder = Path(folder_paths.get_input_directory())
    return bundled + sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))


def _pose_path(pose: str) -> Path:
    if pose.endswith(".json"):
        return Path(folder_paths.get_annotated_filepath(pose))
    return BUNDLED / f"{pose}.json"
