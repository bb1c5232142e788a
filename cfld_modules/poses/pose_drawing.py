"""Drawings of a pose for people and for other networks; what CFLD itself reads is in `pose_maps`."""

import math

import numpy as np

from .keypoints import LIMBS, Pose
from .pose_maps import JOINT_COLOURS, draw_pose, joint_pixels
from .rasterization import draw_hard_disc, draw_hard_ellipse

STYLES = ("cfld", "openpose")


def draw_pose_in_style(pose: Pose, width: int, height: int, style: str) -> np.ndarray:
    """RGB uint8 (height, width, 3) on black.

    Args:
        style: 'cfld' as the pose adapter sees it, or 'openpose', what an OpenPose ControlNet was trained on: filled
            ellipses of 60 % brightness as limbs, discs as joints.
    """
    return draw_pose(pose, width, height) if style == "cfld" else _draw_openpose(pose, width, height)


def _draw_openpose(pose: Pose, width: int, height: int) -> np.ndarray:
    canvas = np.zeros((height, width, 3), np.uint8)
    joints = joint_pixels(pose, width, height)
    thickness = max(1, round(4 * min(width, height) / 512))
    for limb, (start, end) in enumerate(LIMBS):
        first, second = joints[start], joints[end]
        if first is not None and second is not None:
            middle = ((first[0] + second[0]) // 2, (first[1] + second[1]) // 2)
            length, angle = math.dist(first, second), math.atan2(second[1] - first[1], second[0] - first[0])
            colour = tuple(channel * 3 // 5 for channel in JOINT_COLOURS[limb])
            draw_hard_ellipse(canvas, middle, (int(length / 2), thickness), int(math.degrees(angle)), colour)
    for joint, colour in zip(joints, JOINT_COLOURS, strict=True):
        if joint is not None:
            draw_hard_disc(canvas, joint, thickness, colour)
    return canvas
