"""Pose Editor: key points drawn in the page's widget, typed or sent by API."""

import json
from dataclasses import replace

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image

from ..cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from ..cfld_modules.poses.pose_maps import draw_pose
from .pictures import check_memory, image_batch, picture_array, read_pictures
from .types import CATEGORY, PoseType, read_poses

NODE = "Pose Editor"


class CFLDPoseEditor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPoseEditor",
            display_name=NODE,
            category=CATEGORY,
            description="Draw a pose by dragging joints, or give OpenPose JSON. The drawing is kept in pose_json, so "
            "shared workflows and API calls carry it.",
            search_aliases=["draw pose", "openpose editor", "edit keypoints", "skeleton editor"],
            inputs=[
                io.String.Input(
                    "pose_json", multiline=True, default="",
                    tooltip="OpenPose JSON: what the editor drew, or your own. Several frames are several poses; of "
                    "several people in one the chosen one is passed on. Empty: the connected pose is.",
                ),
                io.Int.Input("width", default=352, min=16, max=16384, tooltip="Width of the canvas in pixels."),
                io.Int.Input("height", default=512, min=16, max=16384, tooltip="Height of the canvas in pixels."),
                PoseType.Input(
                    "pose", optional=True, tooltip="A pose to start from, used while pose_json is empty.",
                ),
                io.Image.Input("background", optional=True, tooltip="A picture to trace; drawn behind the skeleton."),
            ],
            outputs=[
                PoseType.Output("pose", tooltip="The key points of the chosen person, on a canvas of width x height."),
                io.Image.Output("image", tooltip="The drawing, over the background where one is connected."),
            ],
        )

    @classmethod
    def execute(
        cls, pose_json: object, width: int, height: int, pose: object = None, background: torch.Tensor | None = None
    ) -> io.NodeOutput:
        is_drawn = bool(pose_json.strip() if isinstance(pose_json, str) else pose_json)  # by API also as an object
        if is_drawn:
            poses = read_poses(NODE, "pose_json", pose_json)
        elif pose is not None:
            poses = read_poses(NODE, "pose", pose)
        else:
            raise ValueError(
                f"{NODE}: input 'pose_json' is empty; draw a pose, paste OpenPose JSON, or connect the input 'pose'"
            )
        check_memory(NODE, len(poses), width, height)
        poses = [_on_canvas(one, width, height) for one in poses]
        drawings = [draw_pose(one, width, height) for one in poses]
        if background is not None:
            _put_behind(drawings, read_pictures(NODE, "background", background))
        # The widget offers a connected pose, once it is known, as the figure to start from, with everybody in it.
        starting_point = {} if is_drawn else {"ui": {"pose_json": [_text(pose)]}}
        return io.NodeOutput(write_pose_keypoints(poses), image_batch(drawings), **starting_point)


def _text(pose: object) -> str:
    return pose if isinstance(pose, str) else json.dumps(pose, default=float)  # of other nodes' NumPy numbers


def _on_canvas(pose: Pose, width: int, height: int) -> Pose:
    """The pose on another canvas, scaled as a whole and centred, as the widget shows it."""
    scale = min(width / pose.width, height / pose.height)
    margin = (np.array([width, height]) - scale * np.array([pose.width, pose.height])) / 2
    return replace(pose, points=pose.points * scale + margin, width=width, height=height)


def _put_behind(drawings: list[np.ndarray], pictures: torch.Tensor) -> None:
    """Fill what is black in the drawings with the pictures, squashed to their size; the last one serves the rest."""
    for index, drawing in enumerate(drawings):
        if index < len(pictures):
            picture = Image.fromarray(picture_array(pictures[index]))
            behind = np.asarray(picture.resize(drawing.shape[1::-1], Image.Resampling.BILINEAR))
        np.copyto(drawing, behind, where=~drawing.any(axis=2, keepdims=True))
