"""Pose maps: the 21-channel picture of a pose that the pose adapter reads (docs/method.md, section 6)."""

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from functools import lru_cache

import numpy as np
import torch

from .keypoints import LIMBS, Pose
from .rasterization import disc_pixels, line_pixels, mixed

SIGMA = 6  # pixels, whatever the picture's size
GAUSSIAN_REACH = 87  # pixels, from where on float32 has nothing but 0
FARTHEST = 2.0**30  # pixels; a joint beyond is drawn there
MISSING = -(2**31)
"""Both coordinates, in pixels, of a joint that is not there: where nothing is drawn of it."""

LINE_THICKNESS, JOINT_RADIUS = 2, 3
JOINT_COLOURS = np.array([hsv_to_rgb(joint / 18, 1, 255) for joint in range(18)]).round().astype(int)
LIMB_ENDS = np.array(LIMBS)
LIMB_COLOURS = JOINT_COLOURS[: len(LIMBS)] * 3 // 5
_LIMB_SHAPES = 3 * np.arange(len(LIMBS))
_JOINT_SHAPES = 3 * len(LIMBS) + np.arange(len(JOINT_COLOURS))
_SHAPE_COLOURS = np.concatenate([LIMB_COLOURS.repeat(3, axis=0), JOINT_COLOURS])


def joint_pixels(pose: Pose, width: int, height: int) -> np.ndarray:
    """Where each joint falls in a picture of `width` x `height`: int64 (18, 2), x and y, truncated, or `MISSING`."""
    scaled_points = np.clip(pose.points * (width, height) / (pose.width, pose.height), -FARTHEST, FARTHEST)
    return np.where(pose.visible[:, None], scaled_points, MISSING).astype(int)


def visible_limbs(joints: np.ndarray) -> np.ndarray:
    """The numbers of those limbs both ends of which are among `joint_pixels`."""
    return np.flatnonzero((joints[:, 0] != MISSING)[LIMB_ENDS].all(axis=1))


def draw_pose(pose: Pose, width: int, height: int) -> np.ndarray:
    """The skeleton as the network was shown it, RGB uint8 (height, width, 3) on black."""
    joints = joint_pixels(pose, width, height)
    limbs = visible_limbs(joints)
    lines = line_pixels(joints[LIMB_ENDS[limbs]], _LIMB_SHAPES[limbs], LINE_THICKNESS, width, height)
    discs = disc_pixels(joints, _JOINT_SHAPES, JOINT_RADIUS, width, height)
    return mixed([*lines, *discs], _SHAPE_COLOURS, width, height)


def gaussian_maps(joints: np.ndarray, maps: np.ndarray) -> None:
    """One Gaussian a joint, peak 1, sigma 6 pixels, zero when missing, into zeros, float32 (18, height, width)."""
    height, width = maps.shape[1:]
    stamp, reach = gaussian_stamp(), GAUSSIAN_REACH
    for (x, y), plane in zip(joints.tolist(), maps, strict=True):
        top, left = max(y - reach, 0), max(x - reach, 0)
        bottom, right = min(y + reach + 1, height), min(x + reach + 1, width)
        if top < bottom and left < right:
            stamp_part = stamp[top - y + reach : bottom - y + reach, left - x + reach : right - x + reach]
            plane[top:bottom, left:right] = stamp_part


@lru_cache
def gaussian_stamp() -> np.ndarray:
    """A Gaussian in float32, (2 * reach + 1, 2 * reach + 1); its border is 0."""
    squares = np.arange(-GAUSSIAN_REACH, GAUSSIAN_REACH + 1, dtype=float) ** 2
    return np.exp(-(squares[:, None] + squares) / (2 * SIGMA**2)).astype(np.float32)


def pose_maps(poses: Sequence[Pose], size: int) -> torch.Tensor:
    """Poses in their frame (see `framing`) -> (B, 21, size, size) float32 in [0, 1], three drawn channels first."""
    maps = np.zeros((len(poses), 3 + len(JOINT_COLOURS), size, size), np.float32)
    for pose, planes in zip(poses, maps, strict=True):
        np.divide(draw_pose(pose, size, size).transpose(2, 0, 1), np.float32(255), out=planes[:3])
        gaussian_maps(joint_pixels(pose, size, size), planes[3:])
    return torch.from_numpy(maps)


def maps_of_drawings(drawings: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
    """What `pose_maps` gives, (..., 21, size, size), bit for bit, on the device that these are on, from a fiftieth of
    the bytes.

    drawings: uint8 (..., 3, size, size), of `draw_pose`. joints: int32 (..., 18, 2), of `joint_pixels`.
    """
    device, size = drawings.device, drawings.shape[-1]
    stamp = torch.from_numpy(gaussian_stamp()).to(device)
    levels = (torch.arange(256).float() / 255.0).to(device)  # GPUs divide otherwise
    pixels = torch.arange(size, device=device)
    columns, rows = (pixels - joints[..., None].long() + GAUSSIAN_REACH).clamp(0, 2 * GAUSSIAN_REACH).unbind(-2)
    return torch.cat([levels[drawings.int()], stamp[rows[..., None], columns[..., None, :]]], dim=-3)
