"""Drawings of a pose for people and for other networks; what CFLD itself reads is in `pose_maps`."""

import colorsys
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from .keypoints import Pose
from .pose_maps import JOINT_COLOURS, LIMB_COLOURS, LIMB_ENDS, draw_pose, joint_pixels, visible_limbs

STYLES = ("cfld", "openpose")
FARTHEST = 2**15  # pixels; where what lies beyond is drawn in OpenPose's style, since Pillow counts in 32 bits
_ANGLES = np.deg2rad(np.arange(0, 360, 4))
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
FINGERS = tuple((0, *range(first, first + 4)) for first in (1, 5, 9, 13, 17))
"""From the wrist to the tip, of OpenPose's 21 points of a hand."""
_HAND_JOINT_COLOUR = (0, 0, 255)


def draw_pose_in_style(
    pose: Pose, width: int, height: int, style: str, hands: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """RGB uint8 (height, width, 3) on black.

    hands: of `read_hands`, on the pose's canvas; only the style 'openpose' draws them.
    style: 'cfld' as the pose adapter sees it, or 'openpose', what an OpenPose ControlNet was trained on: filled
        ellipses of 60 % brightness as limbs, discs as joints.
    """
    if style == "cfld":
        return draw_pose(pose, width, height)
    drawing = Image.fromarray(_draw_openpose(pose, width, height))
    for hand in (hands or {}).values():
        _draw_hand(drawing, hand * (width / pose.width, height / pose.height, 1))
    return np.array(drawing)


def _draw_hand(drawing: Image.Image, hand: np.ndarray) -> None:
    """Fingers in the colours of the rainbow, joints blue. hand: (21, 3), x, y in pixels and the score."""
    unit = min(drawing.size) / 512
    draw = ImageDraw.Draw(drawing)
    visible = {
        joint: tuple(np.clip(point[:2], -FARTHEST, FARTHEST)) for joint, point in enumerate(hand) if point[2] > 0
    }
    bones = [bone for finger in FINGERS for bone in zip(finger, finger[1:], strict=False)]
    for number, (start, end) in enumerate(bones):
        if start in visible and end in visible:
            red, green, blue = colorsys.hsv_to_rgb(number / len(bones), 1, 1)
            colour = (round(255 * red), round(255 * green), round(255 * blue))
            draw.line([visible[start], visible[end]], fill=colour, width=max(1, round(2 * unit)))
    radius = max(1, round(3 * unit))
    for x, y in visible.values():
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=_HAND_JOINT_COLOUR)


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
