"""Pose Editor: key points drawn in the page's widget, typed or sent by API."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image, ImageOps

from ..cfld_modules.errors import PoseError
from ..cfld_modules.poses.canonical import canonical_frames, read_hands
from ..cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from ..cfld_modules.poses.pose_maps import draw_pose
from .pictures import check_memory, image_batch, picture_array, read_pictures
from .types import POSES, PoseType, check_widgets, read_poses

NODE = "Pose Editor"
READ_ROUTE = "/cfld/read_pose"
"""For the page: see `read_in_page`."""
MOST_BYTES = 32 * 2**20


class CFLDPoseEditor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPoseEditor",
            display_name=NODE,
            category=POSES,
            description="Draws a pose by dragging joints: or give OpenPose JSON. The drawing is kept in pose_json, so "
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
        check_widgets(cls, width=width, height=height)
        is_drawn = bool(pose_json.strip() if isinstance(pose_json, str) else pose_json)  # by API also as an object
        if is_drawn:
            poses = read_poses(NODE, "pose_json", pose_json, is_ours=True)
        elif pose is not None:
            poses = read_poses(NODE, "pose", pose)
        else:
            raise ValueError(
                f"{NODE}: input 'pose_json' is empty; draw a pose, paste OpenPose JSON, or connect the input 'pose'"
            )
        check_memory(NODE, len(poses), width, height)
        hands = [
            {key: _hand_on_canvas(hand, one, width, height) for key, hand in pair.items()}
            for one, pair in zip(poses, read_hands(pose_json if is_drawn else pose, is_ours=is_drawn), strict=True)
        ]
        poses = [_on_canvas(one, width, height) for one in poses]
        drawings = [draw_pose(one, width, height) for one in poses]
        if background is not None:
            _put_behind(drawings, read_pictures(NODE, "background", background))
        # The widget offers a connected pose, once it is known, as the figure to start from, with everybody in it.
        starting_point = {} if is_drawn else {"ui": {"pose_json": [json.dumps(canonical_frames(pose))]}}
        frames = write_pose_keypoints(poses)
        for frame, pair in zip(frames, hands, strict=True):
            frame["people"][0] |= pair
        return io.NodeOutput(frames, image_batch(drawings), **starting_point)


def read_in_page(content: bytes, query: Mapping[str, str]) -> dict:
    """A text or file of key points that came into the page -> {"frames": ...}, see `canonical_frames`.

    query: `width` and `height` of the canvas for frames without a size of their own, or nothing. Raises PoseError.
    """
    try:
        canvas = (int(query["width"]), int(query["height"])) if query else None
    except (KeyError, ValueError) as error:
        raise PoseError("The canvas needs a width and a height in whole pixels.") from error
    return {"frames": canonical_frames(content, canvas)}


def _on_canvas(pose: Pose, width: int, height: int) -> Pose:
    """The pose on another canvas, scaled as a whole and centred, as the widget shows it."""
    return replace(pose, points=_moved(pose.points, pose, width, height), width=width, height=height)


def _moved(points: np.ndarray, pose: Pose, width: int, height: int) -> np.ndarray:
    """Points (n, 2) on the canvas of `pose` -> on one of `width` x `height`."""
    scale = min(width / pose.width, height / pose.height)
    margin = (np.array([width, height]) - scale * np.array([pose.width, pose.height])) / 2
    return points * scale + margin


def _hand_on_canvas(hand: np.ndarray, pose: Pose, width: int, height: int) -> list[float]:
    """A hand of `read_hands` as the wire has it."""
    is_there = hand[:, 2:] > 0
    return np.hstack([np.where(is_there, _moved(hand[:, :2], pose, width, height), 0.0), hand[:, 2:]]).ravel().tolist()


def _put_behind(drawings: list[np.ndarray], pictures: torch.Tensor) -> None:
    """Fill what is black in the drawings with the pictures, whole and in the middle; the last one serves the rest."""
    for index, drawing in enumerate(drawings):
        if index < len(pictures):
            picture = Image.fromarray(picture_array(pictures[index]))
            backdrop = np.asarray(ImageOps.pad(picture, drawing.shape[1::-1], Image.Resampling.BILINEAR))
        np.copyto(drawing, backdrop, where=~drawing.any(axis=2, keepdims=True))
