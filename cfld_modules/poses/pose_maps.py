"""Pose maps: the 21-channel picture of a pose that the pose adapter reads (docs/method.md, section 6)."""

from collections.abc import Sequence

import numpy as np
import torch

from .keypoints import LIMBS, Pose
from .rasterization import draw_disc, draw_line

SIGMA = 6  # pixels, whatever the picture's size
FARTHEST = 2.0**30  # pixels; a joint beyond is drawn there
LINE_THICKNESS, JOINT_RADIUS = 2, 3
JOINT_COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)


def joint_pixels(pose: Pose, width: int, height: int) -> list[tuple[int, int] | None]:
    """Where each joint of `pose` falls in a picture of `width` x `height`: (x, y), truncated; None when missing."""
    scaled = np.clip(pose.points * (width, height) / (pose.width, pose.height), -FARTHEST, FARTHEST)
    return [(int(x), int(y)) if seen else None for (x, y), seen in zip(scaled, pose.visible, strict=True)]


def draw_pose(pose: Pose, width: int, height: int) -> np.ndarray:
    """The skeleton as the network was shown it, RGB uint8 (height, width, 3) on black."""
    canvas = np.zeros((height, width, 3), np.uint8)
    joints = joint_pixels(pose, width, height)
    for limb, (start, end) in enumerate(LIMBS):
        first, second = joints[start], joints[end]
        if first is not None and second is not None:
            colour = tuple(channel * 3 // 5 for channel in JOINT_COLOURS[limb])
            draw_line(canvas, first, second, colour, LINE_THICKNESS)
    for joint, colour in zip(joints, JOINT_COLOURS, strict=True):
        if joint is not None:
            draw_disc(canvas, joint, JOINT_RADIUS, colour)
    return canvas


def gaussian_maps(pose: Pose, width: int, height: int) -> np.ndarray:
    """One Gaussian a joint, peak 1, sigma 6 pixels, zero when missing: float32 (18, height, width)."""
    y, x = np.arange(height, dtype=float)[:, None], np.arange(width, dtype=float)[None]
    joints = joint_pixels(pose, width, height)
    maps = np.zeros((len(joints), height, width), np.float32)
    for index, joint in enumerate(joints):
        if joint is not None:
            maps[index] = np.exp(-((y - joint[1]) ** 2 + (x - joint[0]) ** 2) / (2 * SIGMA**2))
    return maps


def pose_maps(poses: Sequence[Pose], size: int) -> torch.Tensor:
    """Poses in their frame (see `framing`) -> (B, 21, size, size) float32 in [0, 1], three drawn channels first."""
    drawings = np.stack([draw_pose(pose, size, size) for pose in poses]).transpose(0, 3, 1, 2)
    gaussians = np.stack([gaussian_maps(pose, size, size) for pose in poses])
    return torch.cat([torch.from_numpy(drawings).float() / 255.0, torch.from_numpy(gaussians)], dim=1)
