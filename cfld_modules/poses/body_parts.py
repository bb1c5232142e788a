"""A person in space as tapered cylinders of elliptic cross-section: trunk, neck, head, and two for each limb.

Each knows where its front is: the trunk by its joints, the head by the face, and a limb as if it had swung there from
hanging straight down, the way in which a sleeve's front stays its front.
"""

from dataclasses import dataclass

import numpy as np

from .keypoints import HIPS, NOSE, SHOULDERS
from .lifting import SpatialPose

TRUNK, NECK, HEAD = 0, 1, 2
CHAINS = ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))  # upper arm and forearm, thigh and shin
FIRST_LIMB = 3
PARTS = FIRST_LIMB + 2 * len(CHAINS)
_THIGHS = (FIRST_LIMB + 4, FIRST_LIMB + 6)
NEIGHBOURS: tuple[tuple[int, ...], ...] = (
    (TRUNK, NECK, *_THIGHS), (TRUNK, NECK, HEAD), (NECK, HEAD),
    *(group for limb in range(FIRST_LIMB, PARTS, 2) for group in ((TRUNK, limb, limb + 1), (limb, limb + 1))),
)  # fmt: skip
"""Parts through whose outline a part may reach in a photo, itself among them: clothes do not end at a joint."""

_EARS = [16, 17]
# Half widths where a part begins and ends, in lengths of the trunk.
_ARM, _FOREARM, _THIGH, _SHIN = (0.13, 0.105), (0.105, 0.075), (0.2, 0.14), (0.135, 0.09)
_HAND, _FOOT = 0.45, 0.2  # how far they reach beyond wrist and ankle, in lengths of forearm and shin
_TRUNK_DEPTH, _NECK_WIDTH, _HEAD_WIDTH, _HEAD_DEPTH = 0.24, 0.1, 0.165, 0.2
_CAP, _ROUND = 0.35, 1.0
_SHOULDER_FLESH, _HIP_FLESH = 1.2, 1.75  # widths of shoulders and hips over those of their joints
_ANTIPARALLEL = -0.7


@dataclass(frozen=True, eq=False)
class Part:
    """One cylinder; arrays of two hold its beginning and its end.

    axis: (2, 3) float64, x, y, z as of `SpatialPose`.
    half_width, half_depth: (2,) across and along the front, in the same unit.
    cap: how far it reaches beyond both ends, in half widths.
    front: (2,) radians, 0 where it faces the viewer, positive where it is turned to the side on the left of the axis,
        seen along it: to the right of the picture for a part that points down.
    """

    axis: np.ndarray
    half_width: np.ndarray
    half_depth: np.ndarray
    front: np.ndarray
    cap: float = _CAP


def body_parts(space: SpatialPose) -> list[Part | None]:
    """The `PARTS` of a person; None for those whose joints nobody knows, and all None without a trunk."""
    points = space.points
    hips, shoulders = points[HIPS].mean(axis=0), points[SHOULDERS]
    neck = np.where(np.isnan(points[1]), shoulders.mean(axis=0), points[1])
    down = hips - neck
    length = float(np.linalg.norm(down))
    if not length > 0:
        return [None] * PARTS
    down = down / length
    left = np.stack([points[5] - points[2], points[11] - points[8]])
    fronts = np.cross(down, left)
    half_widths = np.linalg.norm(left, axis=1) / 2 * (_SHOULDER_FLESH, _HIP_FLESH)
    trunk_axis = np.stack([neck - 0.04 * length * down, hips + 0.22 * length * down])
    trunk = _part(trunk_axis, half_widths, np.full(2, _TRUNK_DEPTH * length), fronts)
    parts = [trunk, *_neck_and_head(points, neck, length)]
    for number, chain in enumerate(CHAINS):
        is_arm = number < 2
        front = fronts[0 if is_arm else 1]
        first, middle, last = points[list(chain)]
        beyond = last + (_HAND if is_arm else _FOOT) * (last - middle)
        for axis, widths in zip(
            (np.stack([first, middle]), np.stack([middle, beyond])), (_ARM, _FOREARM) if is_arm else (_THIGH, _SHIN),
            strict=True,
        ):
            swung = _swung(front, down, axis[1] - axis[0])
            parts.append(_part(axis, np.array(widths) * length, np.array(widths) * length, np.stack([swung, swung])))
    return parts


def _neck_and_head(points: np.ndarray, neck: np.ndarray, length: float) -> tuple[Part | None, Part | None]:
    ears = points[_EARS].mean(axis=0)
    up = (ears - neck) / np.linalg.norm(ears - neck)
    face = points[NOSE] - ears
    fronts = np.stack([face, face])
    axis = np.stack([ears - 0.04 * length * up, ears + 0.08 * length * up])
    head = _part(axis, np.full(2, _HEAD_WIDTH * length), np.full(2, _HEAD_DEPTH * length), fronts, _ROUND)
    width = np.full(2, _NECK_WIDTH * length)
    return _part(np.stack([neck, ears]), width, width, fronts), head


def _part(
    axis: np.ndarray, half_width: np.ndarray, half_depth: np.ndarray, fronts: np.ndarray, cap: float = _CAP
) -> Part | None:
    if np.isnan(axis).any() or np.isnan(fronts).any():
        return None
    along = axis[1] - axis[0]
    flat = np.hypot(*along[:2])
    if not flat > 1e-6 * np.linalg.norm(along):
        return None
    across = np.array([along[1], -along[0], 0]) / flat
    away = np.cross(across, along / np.linalg.norm(along))
    front = np.arctan2(fronts @ across, -(fronts @ away))
    return Part(axis, half_width, half_depth, front, cap)


def _swung(front: np.ndarray, down: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Where the front of a limb that hung down is after the shortest turn to `along`; straight up it stays."""
    along = along / np.linalg.norm(along)
    cosine = float(down @ along)
    if cosine < _ANTIPARALLEL:
        return front - (front @ along) * along
    axis = np.cross(down, along)
    return front * cosine + np.cross(axis, front) + axis * (axis @ front) / (1 + cosine)
