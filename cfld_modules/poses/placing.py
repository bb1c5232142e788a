"""Placing: fits a person into a mask's box, and finds the frame around them that CFLD paints."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import PoseError
from .framing import FRAME_ASPECT, FRAME_HEIGHT, FRAME_WIDTH, Box, cut_pose, person_box
from .garment_regions import region_mask
from .keypoints import Pose

LEAST_HEIGHT, LEAST_WIDTH = 16, 6
"""Pixels of a mask's box; a person in less is a speck, and such a mask a slip of the brush."""

MASK_THRESHOLD = 0.5
"""From where on a mask says that the person goes there."""

MARGIN = 0.02
"""Of the box's height, left free on each side, so that soft edges of the figure stay in the mask."""

ROUNDING = 2  # pixels, of frames, whose sides are whole


def place_people(poses: Sequence[Pose], box: Box, width: int, height: int) -> tuple[list[Pose], Box]:
    """Each person as large as a box in a picture of `width` x `height` allows, at its lower edge, in its middle.

    It is the whole figure that fits, hair and feet included, not its key points alone. Returned are the poses on the
    frame as their canvas, and the frame: inside the picture, of the frame's aspect, with the room around the people
    that training photographs have, where the picture has it. Raises PoseError where a pose shows too little, or the
    picture has no room.
    """
    moves = [_into_box(figure_box(pose), box) for pose in poses]
    placed = [pose.points * scale + shift for pose, (scale, shift, _) in zip(poses, moves, strict=True)]
    frame = _into_picture(person_box(Pose(np.concatenate(placed), width, height)), width, height)
    for _, _, figure in moves:
        beyond = (
            frame.left - figure.left, frame.top - figure.top, figure.right - frame.right, figure.bottom - frame.bottom,
        )  # fmt: skip
        if max(beyond) > ROUNDING:
            raise PoseError(
                f"a figure of {figure.width}x{figure.height} pixels does not fit into a frame of 176:256 in a picture "
                f"of {width}x{height}, which is {frame.width}x{frame.height} at most; make the mask smaller, or the "
                "picture larger with Pad Image for Outpainting"
            )
    people = [
        replace(pose, points=points, width=width, height=height) for pose, points in zip(poses, placed, strict=True)
    ]
    return [cut_pose(person, frame) for person in people], frame


def mask_box(mask: np.ndarray) -> Box:
    """The box around where a mask (H, W) marks something. Raises PoseError where that is next to nothing."""
    rows, columns = (np.flatnonzero((mask >= MASK_THRESHOLD).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise PoseError(f"is empty: no pixel of {size} is marked; paint where the person goes")
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    if box.height < LEAST_HEIGHT or box.width < LEAST_WIDTH:
        raise PoseError(
            f"marks a box of {box.width}x{box.height} pixels, and a person needs {LEAST_WIDTH}x{LEAST_HEIGHT} at "
            "least; paint more"
        )
    return box


def figure_box(pose: Pose) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels of the figure with hair and feet; or PoseError with fewer than two points."""
    box = person_box(pose)
    figure = region_mask(cut_pose(pose, box), "whole figure", FRAME_WIDTH, FRAME_HEIGHT) >= MASK_THRESHOLD
    rows, columns = (np.flatnonzero(figure.any(axis=axis)) for axis in (1, 0))
    x, y = box.width / FRAME_WIDTH, box.height / FRAME_HEIGHT
    return (
        box.left + x * float(columns[0]), box.top + y * float(rows[0]),
        box.left + x * float(columns[-1] + 1), box.top + y * float(rows[-1] + 1),
    )  # fmt: skip


def _into_box(figure: tuple[float, float, float, float], box: Box) -> tuple[float, np.ndarray, Box]:
    """Scale and shift that bring a figure into a box, and where it is then."""
    left, top, right, bottom = figure
    room = MARGIN * box.height
    scale = min(max(box.width - 2 * room, 1) / (right - left), (box.height - 2 * room) / (bottom - top))
    foot = np.array([(box.left + box.right) / 2, box.bottom - room])
    shift = foot - scale * np.array([(left + right) / 2, bottom])
    corners = np.rint(np.array([[left, top], [right, bottom]]) * scale + shift).astype(int)
    return scale, shift, Box(*corners.ravel().tolist())


def _into_picture(box: Box, width: int, height: int) -> Box:
    """The box inside the picture: moved where it reaches beyond, smaller where the picture is."""
    box_height = min(box.height, height, int(width / FRAME_ASPECT))
    box_width = box.width if box_height == box.height else min(round(box_height * FRAME_ASPECT), width)
    left = min(max((box.left + box.right - box_width) // 2, 0), width - box_width)
    top = min(max((box.top + box.bottom - box_height) // 2, 0), height - box_height)
    return Box(left, top, left + box_width, top + box_height)
