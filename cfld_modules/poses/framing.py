"""Frames: the 176x256 (width x height) cut of a picture or pose canvas that the networks see squashed to a square."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from ..errors import PoseError
from .keypoints import Pose

if TYPE_CHECKING:
    import torch

FRAME_WIDTH, FRAME_HEIGHT = 176, 256
FRAME_ASPECT = FRAME_WIDTH / FRAME_HEIGHT
# The training photographs, about 750x1101, are squashed as they are; they are 0.9 % off the frame's aspect.
ASPECT_TOLERANCE = 0.01
# Room around the key points, as a share of the frame, as in the training photographs of whole people.
MARGIN_TOP, MARGIN_BOTTOM, MARGIN_SIDE = 0.15, 0.06, 0.08

LEAST_IN_COMMON = 6  # joints; of fewer, nobody can say how far apart two poses are
REDUCED_FROM = 16  # times the side that a picture is squashed to
BAND_PIXELS = 2_000_000  # that are read at a time

ReadPixels: TypeAlias = Callable[[slice, slice], np.ndarray]
"""Gives rows and columns of a picture: RGB uint8 (rows, columns, 3)."""

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
    border, or one stray joint would make the box as large as it is far away. Raises PoseError when fewer than two key
    points are visible, or fewer than half of these lie in the picture.
    """
    visible = person.points[person.visible]
    if len(visible) < 2:
        raise PoseError("the person has fewer than two visible key points; wire in a skeleton of the person to crop to")
    clipped = visible.clip(0, (person.width, person.height))
    inside_count = int((visible == clipped).all(axis=1).sum())
    if 2 * inside_count < len(visible):
        raise PoseError(
            f"only {inside_count} of the person's {len(visible)} key points lie in the picture of {person.width}x"
            f"{person.height}; give the key points that were found in this picture"
        )
    (left, top), (right, bottom) = clipped.min(axis=0), clipped.max(axis=0)
    height = max(
        (bottom - top) / (1 - MARGIN_TOP - MARGIN_BOTTOM), (right - left) / (1 - 2 * MARGIN_SIDE) / FRAME_ASPECT, 1.0
    )
    box_height = max(round(height), 2)
    box_width = max(round(height * FRAME_ASPECT), 1)
    # Arms stretched wide make the box taller than the person: share out the rest as the margins are.
    free_height = height - (bottom - top)
    box_top = round(top - free_height * MARGIN_TOP / (MARGIN_TOP + MARGIN_BOTTOM))
    box_left = round((left + right - box_width) / 2)
    return Box(box_left, box_top, box_left + box_width, box_top + box_height)


def cut_picture(picture: np.ndarray, box: Box) -> np.ndarray:
    """The box of a picture (H, W, 3), no copy of it; what lies beyond the picture repeats its border pixels."""
    height, width = picture.shape[:2]
    return _read_with_border(lambda *part: picture[part], height, width, box)


def cut_pose(pose: Pose, box: Box) -> Pose:
    """The same pose with the box as its canvas; joints may lie outside it."""
    return replace(pose, points=pose.points - (box.left, box.top), width=box.width, height=box.height)


def scale_pose(pose: Pose, width: int, height: int) -> Pose:
    """The same pose on a canvas of another size, with which its joints grow."""
    scale = width / pose.width, height / pose.height
    return replace(pose, points=pose.points * scale, width=width, height=height)


def frame_pose(pose: Pose, fit: Fit) -> Pose:
    """A pose cut to the frame's aspect by the rule its picture is cut by."""
    return cut_pose(pose, fit_box(pose.width, pose.height, fit))


def pose_distance(first: Pose, second: Pose, fit: Fit) -> float:
    """Mean distance of the joints that both show, one pose moved onto the other, in frame heights; 0 with too few."""
    points = [frame.points / frame.height for frame in (frame_pose(first, fit), frame_pose(second, fit))]
    in_both = ~np.isnan(points[0] + points[1]).any(axis=1)
    if in_both.sum() < LEAST_IN_COMMON:
        return 0.0
    shifts = points[0][in_both] - points[1][in_both]
    return float(np.linalg.norm(shifts - shifts.mean(axis=0), axis=1).mean())


def prepare_picture(picture: np.ndarray, box: Box, size: int) -> "torch.Tensor":
    """The box of an RGB uint8 picture (H, W, 3), squashed by bicubic resampling -> (3, size, size) in [-1, 1]."""
    height, width = picture.shape[:2]
    return squashed_picture(lambda *part: picture[part], height, width, box, size)


def squashed_picture(read: ReadPixels, height: int, width: int, box: Box, size: int) -> "torch.Tensor":
    """As `prepare_picture`, of a picture of `height` x `width` pixels that is read in bands."""
    import torch  # here, so that the command line explains itself in no time

    return signed_unit(torch.from_numpy(squashed_pixels(read, height, width, box, size)))


def squashed_pixels(read: ReadPixels, height: int, width: int, box: Box, size: int) -> np.ndarray:
    """As `squashed_picture`, but uint8 (3, size, size).

    A side of the box of at least `REDUCED_FROM` times `size` is first brought down to half of that or more by means of
    whole pixels, which changes a result by half a step of 255 at most in the mean. So it costs what the picture has,
    and no more memory than a band of it, however far the box reaches beyond.
    """
    across, down = (max(1, 2 * side // (REDUCED_FROM * size)) for side in (box.width, box.height))
    left, right, beyond_columns = _blocks(box.left, box.right, width, across)
    top, bottom, beyond_rows = _blocks(box.top, box.bottom, height, down)
    band = down * max(1, BAND_PIXELS // (down * (right - left)))
    bands = []
    for start in range(top, bottom, band):
        pixels = _read_with_border(read, height, width, Box(left, start, right, min(start + band, bottom)))
        is_reduced = max(across, down) > 1
        bands.append(np.asarray(Image.fromarray(pixels).reduce((across, down))) if is_reduced else pixels)
    means = bands[0] if len(bands) == 1 else np.concatenate(bands)
    if any((*beyond_rows, *beyond_columns)):
        means = np.pad(means, (beyond_rows, beyond_columns, (0, 0)), mode="edge")
    box_of_means = 0, 0, box.width / across, box.height / down
    squashed = Image.fromarray(means).resize((size, size), Image.Resampling.BICUBIC, box_of_means)
    return np.ascontiguousarray(np.asarray(squashed).transpose(2, 0, 1))


def signed_unit(pixels: "torch.Tensor") -> "torch.Tensor":
    """uint8 -> float32 in [-1, 1], by a table made on the CPU: GPUs divide otherwise, and pictures would be others."""
    import torch

    levels = (torch.arange(256).float() / 255.0 - 0.5) / 0.5
    return levels.to(pixels.device)[pixels.int()]


def _blocks(start: int, end: int, length: int, block: int) -> tuple[int, int, tuple[int, int]]:
    """What a side of the box needs of a picture's side in blocks of so many pixels, from the box's start on: first and
    last pixel, and how many more blocks of border pixels come before and after.
    """
    count = -(-(end - start) // block)
    first = min(max(-start // block - 1, 0), count - 1)
    last = min(max(-(-(length - start) // block) + 1, first + 1), count)
    return start + first * block, start + last * block, (first, count - last)


def _read_with_border(read: ReadPixels, height: int, width: int, box: Box) -> np.ndarray:
    """A part of the picture that may reach beyond it, where it repeats its border pixels."""
    rows = np.arange(box.top, box.bottom).clip(0, height - 1)
    columns = np.arange(box.left, box.right).clip(0, width - 1)
    pixels = read(slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    if pixels.shape[:2] == (len(rows), len(columns)):
        return pixels
    before = [int((places == places[0]).sum()) - 1 for places in (rows, columns)]
    after = [box.height - before[0] - pixels.shape[0], box.width - before[1] - pixels.shape[1]]
    return np.pad(pixels, (*zip(before, after, strict=True), (0, 0)), mode="edge")
