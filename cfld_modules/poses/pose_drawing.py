"""Drawings of a pose for people and for other networks; what CFLD itself reads is in `pose_maps`."""

import numpy as np
from PIL import Image, ImageDraw

from .keypoints import Pose
from .pose_maps import JOINT_COLOURS, LIMB_COLOURS, LIMB_ENDS, draw_pose, joint_pixels, visible_limbs

STYLES = ("cfld", "openpose")
FARTHEST = 2**15  # pixels; where joints beyond are drawn in OpenPose's style, since Pillow counts in 32 bits
_ANGLES = np.deg2rad(np.arange(0, 360, 4))
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def draw_pose_in_style(pose: Pose, width: int, height: int, style: str) -> np.ndarray:
    """RGB uint8 (height, width, 3) on black.

    Args:
        style: 'cfld' as the pose adapter sees it, or 'openpose', what an OpenPose ControlNet was trained on: filled
            ellipses of 60 % brightness as limbs, discs as joints.
    """
    return draw_pose(pose, width, height) if style == "cfld" else _draw_openpose(pose, width, height)


def _draw_openpose(pose: Pose, width: int, height: int) -> np.ndarray:
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    joints = joint_pixels(pose, width, height)
    limbs = visible_limbs(joints)
    joints = joints.clip(-FARTHEST, FARTHEST)
    thickness = max(1, round(4 * min(width, height) / 512))
    starts, ends = joints[LIMB_ENDS[limbs]].transpose(1, 0, 2)
    down, right = (ends - starts)[:, 1], (ends - starts)[:, 0]
    angles = np.deg2rad(np.trunc(np.rad2deg(np.arctan2(down, right))))  # whole degrees, as it is drawn for ControlNets
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    axes = np.stack([np.hypot(right, down)[:, None] // 2 * along, thickness * along[:, ::-1] * (-1, 1)], axis=1)
    outlines = ((starts + ends) // 2)[:, None] + np.rint(_CIRCLE @ axes).astype(int)
    for limb, outline in zip(limbs, outlines, strict=True):
        draw.polygon(outline.ravel().tolist(), fill=tuple(LIMB_COLOURS[limb].tolist()))
    for (x, y), colour in zip(joints.tolist(), JOINT_COLOURS.tolist(), strict=True):
        draw.ellipse((x - thickness, y - thickness, x + thickness, y + thickness), fill=tuple(colour))
    return np.array(picture)
