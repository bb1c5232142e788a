"""Draws a mannequin that walks on the spot, frame by frame."""

import math
from dataclasses import replace

from .drawing import Mannequin, draw_mannequin
from .identity import Identity
from .skeleton import ArmAngles, LegAngles, MannequinPose, sample_pose

FRAMES = 16
ARM, LEG, KNEE = 26, 21, 34  # degrees from the middle of a swing to its end, and of the knee that comes forward


def walking(phase: float, yaw: float) -> MannequinPose:
    """phase: of two steps, from 0 to 1."""
    swing, forward = math.sin(2 * math.pi * phase), math.cos(2 * math.pi * phase)
    return replace(
        sample_pose(0), name="walking", yaw=yaw, lean=3, sway=0, twist=0, head_yaw=0, head_nod=3, head_tilt=0,
        right_arm=_arm(-swing), left_arm=_arm(swing),
        right_leg=_leg(swing, max(0.0, forward)), left_leg=_leg(-swing, max(0.0, -forward)),
    )  # fmt: skip


def _arm(swing: float) -> ArmAngles:
    return ArmAngles(raise_side=9, raise_front=ARM * swing, turn=10, elbow=18 + 8 * swing)


def _leg(swing: float, lifted: float) -> LegAngles:
    return LegAngles(raise_side=3, raise_front=LEG * swing + 12 * lifted, knee=6 + KNEE * lifted)


def draw_walk(identity: Identity, turn: float, width: int, height: int) -> list[Mannequin]:
    """Sixteen frames of two steps by one camera, while the person turns by so many degrees."""
    framed = walking(0, 0)
    poses = [walking(number / FRAMES, turn * number / FRAMES) for number in range(FRAMES)]
    return [draw_mannequin(identity, pose, width, height, framed) for pose in poses]
