"""Pose Editor: key points drawn in the page's widget, typed or sent by API."""

import json

import numpy as np
import torch
from comfy_api.latest import io

from ..cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from ..cfld_modules.poses.pose_maps import draw_pose
from .types import CATEGORY, PoseType, image_batch, read_poses

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
                    tooltip="OpenPose JSON: what the editor drew, or your own. Several frames are several poses. "
                    "Empty: the connected pose is passed on.",
                ),
                io.Int.Input("width", default=352, min=16, max=16384, tooltip="Width of the canvas in pixels."),
                io.Int.Input("height", default=512, min=16, max=16384, tooltip="Height of the canvas in pixels."),
                PoseType.Input(
                    "pose", optional=True, tooltip="A pose to start from, used while pose_json is empty.",
                ),
                io.Image.Input("background", optional=True, tooltip="A picture to trace; drawn behind the skeleton."),
            ],
            outputs=[
                PoseType.Output("pose", tooltip="The key points, on a canvas of width x height."),
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
        poses = [_on_canvas(one, width, height) for one in poses]
        frames = write_pose_keypoints(poses)
        drawings = image_batch([draw_pose(one, width, height) for one in poses])
        # The widget offers a connected pose, once it is known, as the figure to start from.
        starting_point = {} if is_drawn else {"ui": {"pose_json": [json.dumps(frames)]}}
        return io.NodeOutput(frames, _over(background, drawings), **starting_point)


def _on_canvas(pose: Pose, width: int, height: int) -> Pose:
    """The pose on another canvas, scaled as a whole and centred, as the widget shows it."""
    scale = min(width / pose.width, height / pose.height)
    margin = (np.array([width, height]) - scale * np.array([pose.width, pose.height])) / 2
    return Pose(pose.points * scale + margin, width, height)


def _over(background: torch.Tensor | None, drawings: torch.Tensor) -> torch.Tensor:
    """Drawings (B, H, W, 3) over the background's pictures, which are squashed to their size."""
    if background is None:
        return drawings
    size = drawings.shape[1:3]
    behind = torch.nn.functional.interpolate(background[..., :3].movedim(-1, 1), size=size, mode="bilinear")
    behind = behind.movedim(1, -1)[[min(index, len(behind) - 1) for index in range(len(drawings))]]
    return torch.where(drawings.amax(dim=-1, keepdim=True) > 0, drawings, behind.to(drawings.device))
