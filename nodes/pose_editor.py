"""Pose Editor: key points drawn in the page's widget, typed or sent by API."""

import json
from dataclasses import replace

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image

from ..cfld_modules.poses.detection.people import DetectedPerson, people_frame
from ..cfld_modules.poses.keypoints import Pose
from ..cfld_modules.poses.pose_maps import draw_pose
from .pictures import check_memory, image_batch, picture_array, read_pictures
from .types import CATEGORY, PoseType, check_count, read_poses_in_metres

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
        for name, side in (("width", width), ("height", height)):
            check_count(NODE, name, side, 16, 16384)
        is_drawn = bool(pose_json.strip() if isinstance(pose_json, str) else pose_json)  # by API also as an object
        if is_drawn:
            people = _read_people("pose_json", pose_json)
        elif pose is not None:
            people = _read_people("pose", pose)
        else:
            raise ValueError(
                f"{NODE}: input 'pose_json' is empty; draw a pose, paste OpenPose JSON, or connect the input 'pose'"
            )
        check_memory(NODE, len(people), width, height)
        people = [replace(person, pose=_on_canvas(person.pose, width, height)) for person in people]
        frames = [people_frame([person], width, height) for person in people]
        drawings = [draw_pose(person.pose, width, height) for person in people]
        if background is not None:
            _put_behind(drawings, read_pictures(NODE, "background", background))
        # The widget offers a connected pose, once it is known, as the figure to start from, with everybody in it.
        starting_point = {} if is_drawn else {"ui": {"pose_json": [_text(pose)]}}
        return io.NodeOutput(frames, image_batch(drawings), **starting_point)


def _read_people(name: str, value: object) -> list[DetectedPerson]:
    """Of each frame the chosen person, else the largest, in space too where it is known."""
    return [DetectedPerson(*one) for one in zip(*read_poses_in_metres(NODE, name, value), strict=True)]


def _text(pose: object) -> str:
    return pose if isinstance(pose, str) else json.dumps(pose, default=float)  # of other nodes' NumPy numbers


def _on_canvas(pose: Pose, width: int, height: int) -> Pose:
    """The pose on another canvas, scaled as a whole and centred, as the widget shows it."""
    scale = min(width / pose.width, height / pose.height)
    margin = (np.array([width, height]) - scale * np.array([pose.width, pose.height])) / 2
    return Pose(pose.points * scale + margin, width, height)


def _put_behind(drawings: list[np.ndarray], pictures: torch.Tensor) -> None:
    """Fill what is black in the drawings with the pictures, squashed to their size; the last one serves the rest."""
    for index, drawing in enumerate(drawings):
        if index < len(pictures):
            picture = Image.fromarray(picture_array(pictures[index]))
            behind = np.asarray(picture.resize(drawing.shape[1::-1], Image.Resampling.BILINEAR))
        np.copyto(drawing, behind, where=~drawing.any(axis=2, keepdims=True))
