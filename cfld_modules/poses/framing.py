"""Frames: the 176x256 (width x height) cut of a picture or pose canvas that the networks see squashed to a square."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image

from ..errors import PoseError
from .keypoints import Pose

FRAME_WIDTH, FRAME_HEIGHT = 176, 256
FRAME_ASPECT = FRAME_WIDTH / FRAME_HEIGHT
# The training photographs, about 750x1101, are squashed as they are; they are 0.9 % off the frame's aspect.
ASPECT_TOLERANCE = 0.01
# Room around the key points, as a share of the frame, as in the training photographs of whole people.
MARGIN_TOP, MARGIN_BOTTOM, MARGIN_SIDE = 0.15, 0.06, 0.08

Fit = Literal["pad", "crop", "stretch"]
FITS: tuple[str, ...] = get_args(Fit)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, right and bottom exclusive; it may reach beyond the picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def fit_box(width: int, height: int, fit: Fit) -> Box:
    """The box of a `width` x `height` canvas that becomes the frame.

    `pad` contains the canvas, `crop` is its largest centred part of the frame's aspect, `stretch` is the canvas itself.
    A canvas already of the frame's aspect, within 1 %, is taken whole by every fit.
    """
    aspect = width / height
    if fit == "stretch" or abs(aspect / FRAME_ASPECT - 1) <= ASPECT_TOLERANCE:
        return Box(0, 0, width, height)
    too_wide = aspect > FRAME_ASPECT
    if too_wide == (fit == "pad"):
        new_width, new_height = width, round(width / FRAME_ASPECT)
    else:
        new_width, new_height = max(1, round(height * FRAME_ASPECT)), height
    left, top = (width - new_width) // 2, (height - new_height) // 2
    return Box(left, top, left + new_width, top + new_height)


def person_box(person: Pose) -> Box:
    """The box of the frame's aspect around a person, with the margins of the training photographs.

    It encloses what the picture, which is the person's canvas, can show of them: points beyond it count as at its
    border, or one stray joint would make the box as large as it is far away.

    Raises:
        PoseError: when fewer than two key points are visible, or fewer than half of these lie in the picture.
    """
    visible = person.points[person.visible]
    if len(visible) < 2:
        raise PoseError("the person has fewer than two visible key points; wire in a skeleton of the person to crop to")
    bounded = visible.clip(0, (person.width, person.height))
    inside = int((visible == bounded).all(axis=1).sum())
    if 2 * inside < len(visible):
        raise PoseError(
            f"only {inside} of the person's {len(visible)} key points lie in the picture of {person.width}x"
            f"{person.height}; give the key points that were found in this picture"
        )
    (left, top), (right, bottom) = bounded.min(axis=0), bounded.max(axis=0)
    height = max(
        (bottom - top) / (1 - MARGIN_TOP - MARGIN_BOTTOM), (right - left) / (1 - 2 * MARGIN_SIDE) / FRAME_ASPECT, 1.0
    )
    box_height = max(round(height), 2)
    box_width = max(round(height * FRAME_ASPECT), 1)
    # Arms stretched wide make the box taller than the person: share out the rest as the margins are.
    spare = height - (bottom - top)
    box_top = round(top - spare * MARGIN_TOP / (MARGIN_TOP + MARGIN_BOTTOM))
    box_left = round((left + right - box_width) / 2)
    return Box(box_left, box_top, box_left + box_width, box_top + box_height)


def cut_picture(picture: np.ndarray, box: Box) -> np.ndarray:
    """The box of a picture (H, W, 3); what lies beyond the picture repeats its border pixels."""
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(box.top, box.bottom), 0, height - 1)
    columns = np.clip(np.arange(box.left, box.right), 0, width - 1)
    return picture[rows[:, None], columns]


def cut_pose(pose: Pose, box: Box) -> Pose:
    """The same pose with the box as its canvas; joints may lie outside it."""
    return replace(pose, points=pose.points - (box.left, box.top), width=box.width, height=box.height)


def frame_pose(pose: Pose, fit: Fit) -> Pose:
    """A pose cut to the frame's aspect by the rule its picture is cut by."""
    return cut_pose(pose, fit_box(pose.width, pose.height, fit))


def prepare_picture(picture: np.ndarray, box: Box, size: int) -> torch.Tensor:
    """The box of an RGB uint8 picture (H, W, 3), squashed by bicubic resampling -> (3, size, size) in [-1, 1]."""
    squashed = Image.fromarray(cut_picture(picture, box)).resize((size, size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(squashed)).permute(2, 0, 1)
    return (pixels.float() / 255.0 - 0.5) / 0.5
