"""Retargeting: one person's pose on another person's skeleton.

All lengths of a `Pose` are lengths in the picture. Arms, legs and torso take the reference's as they are: a limb of
the pose that points at the viewer is as long as the reference's, too. Widths cannot: shoulders and hips look narrow
from the side whoever's they are, and a profile would get the shoulders of a front view. Hence a width is the
reference's only while it stays within `MAX_BUILD_RATIO` of what the overall scale says; the rest of the difference is
the view, and the pose's.

Of two `SpatialPose` the same is done in space: lengths are lengths in space, so that a limb that points at the viewer
stays short in the picture, and the depth comes along.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from .keypoints import ANKLES, FACE, HIPS, MIRROR, NECK, NOSE, SHOULDERS, Pose, centre
from .lifting import SpatialPose

AnyPose = TypeVar("AnyPose", Pose, SpatialPose)

ROUNDING = 1e-6  # pixels; a width below this is none
MAX_BUILD_RATIO = 1.3
"""By how much shoulders or hips of two people of one size differ at most; more is a difference of the view."""

_ARMS = ((2, 3, 4), (5, 6, 7))
_LEGS = ((8, 9, 10), (11, 12, 13))
_TORSO = [NECK, *SHOULDERS, *HIPS]


def retarget(pose: AnyPose, reference: AnyPose) -> AnyPose:
    """`pose` with the proportions, the size and the place of `reference`, on the canvas of `reference`.

    Directions are those of `pose`. From `reference` come the lengths of upper arms, forearms, thighs and shins, the
    length from neck to mid hip, the width of shoulders and hips (see the module), the size of the head (mean
    distance of its points from the neck), the height of the floor (the lowest leg joint, if both show an ankle) and
    where the torso stands from left to right.

    Joints missing in `pose` stay missing; what hangs from them moves with the joint before. A length that `reference`
    lacks is that of its other side, else the pose's own times the overall scale: the median ratio of the bones that
    both have, or the ratio of the canvas heights if they share none. `retarget(pose, pose)` is `pose`. Each needs at
    least one point, as `read_pose_keypoints` guarantees.
    """
    scale = _overall_scale(pose.points, reference.points) or reference.height / pose.height
    points, target = pose.points * scale, reference.points
    _set_length(points, NECK, HIPS, [*_LEGS[0], *_LEGS[1]], _length(target, NECK, HIPS))
    _set_width(points, _ARMS, centre(points[SHOULDERS]) if np.isnan(points[NECK]).any() else points[NECK], target)
    _set_width(points, _LEGS, centre(points[HIPS]), target)
    for chain in _ARMS + _LEGS:
        for end in (1, 2):
            parent, joint = chain[end - 1], chain[end]
            length = _length(target, parent, [joint])
            if np.isnan(length):
                length = _length(target, MIRROR[parent], [MIRROR[joint]])
            _set_length(points, parent, [joint], chain[end:], length)
    _set_head_size(points, target)
    return type(pose)(_moved(points, _to_place(points, target)), reference.width, reference.height)


def retarget_motion(poses: Sequence[AnyPose], reference: AnyPose) -> list[AnyPose]:
    """Frames of one movement on the body of `reference`: each as `retarget` has it, but for its place.

    The first stands where `reference` does. The others are moved from there as the person moves in `poses`: the torso
    from left to right, the floor (where no ankle is visible, the torso) up and down, in proportion to the median of
    the frames' overall scales.
    """
    unmoved = [retarget(pose, reference) for pose in poses]
    scales = [scale for pose in poses if (scale := _overall_scale(pose.points, reference.points))]
    scale = float(np.median(scales)) if scales else reference.height / poses[0].height
    first, still_first = poses[0].points, unmoved[0].points

    def shift(pose: AnyPose, result: AnyPose) -> np.ndarray:
        return scale * _to_place(first, pose.points) - _to_place(still_first, result.points)

    return [
        replace(result, points=_moved(result.points, shift(pose, result)))
        for pose, result in zip(poses, unmoved, strict=True)
    ]


def _overall_scale(points: np.ndarray, target: np.ndarray) -> float | None:
    """Median of wanted / present length over arms, legs, torso and neck to nose; None if no bone is in both."""
    bones = [(chain[end - 1], [chain[end]]) for chain in _ARMS + _LEGS for end in (1, 2)]
    bones += [(NECK, HIPS), (NECK, [NOSE])]
    lengths, goals = (np.array([_length(skeleton, *bone) for bone in bones]) for skeleton in (points, target))
    in_both = (lengths > 0) & (goals > 0)  # False where NaN
    return float(np.median(goals[in_both] / lengths[in_both])) if in_both.any() else None


def _set_length(points: np.ndarray, start: int, ends: list[int], moved: list[int] | tuple[int, ...], to: float) -> None:
    """Moves `moved` so that the distance from `start` to the centre of `ends` becomes `to`, in the same direction."""
    vector = centre(points[ends]) - points[start]
    length = np.linalg.norm(vector)
    if length > 0:
        _move(points, moved, vector * (to / length - 1))


def _set_width(points: np.ndarray, chains: tuple, about: np.ndarray, target: np.ndarray) -> None:
    """Moves two arms or legs apart about a point, so that their first joints are as far apart as in `wanted`."""
    first, second = (chain[0] for chain in chains)
    width, wanted_width = _length(points, first, [second]), _length(target, first, [second])
    if width > ROUNDING:
        factor = np.clip(wanted_width / width, 1 / MAX_BUILD_RATIO, MAX_BUILD_RATIO)
        for chain in chains:
            _move(points, chain, (points[chain[0]] - about) * (factor - 1))


def _set_head_size(points: np.ndarray, target: np.ndarray) -> None:
    lengths, goals = (np.linalg.norm(skeleton[FACE] - skeleton[NECK], axis=1) for skeleton in (points, target))
    in_both = ~np.isnan(lengths + goals)
    if lengths[in_both].sum() > 0:
        points[FACE] += (points[FACE] - points[NECK]) * (goals[in_both].sum() / lengths[in_both].sum() - 1)


def _to_place(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(x, y) from where the person is to where the reference stands."""
    in_both = [joint for joint in range(18) if not np.isnan(points[joint] + target[joint]).any()]
    anchor = [joint for joint in in_both if joint in _TORSO] or in_both or list(range(18))
    x, y = (centre(target[anchor]) - centre(points[anchor]))[:2]
    floor, wanted_floor = _floor(points), _floor(target)
    return np.array([x, y if np.isnan(floor + wanted_floor) else wanted_floor - floor])


def _floor(points: np.ndarray) -> float:
    """y of the lowest hip, knee or ankle, NaN where no ankle is in the picture."""
    legs = points[[*_LEGS[0], *_LEGS[1]], 1]
    return np.nan if np.isnan(points[ANKLES, 1]).all() else float(np.nanmax(legs))


def _length(points: np.ndarray, start: int, ends: list[int]) -> float:
    return float(np.linalg.norm(centre(points[ends]) - points[start]))


def _moved(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """All points, by (x, y) in the picture."""
    return points + np.pad(shift, (0, points.shape[1] - 2))


def _move(points: np.ndarray, joints: list[int] | tuple[int, ...], shift: np.ndarray) -> None:
    if not np.isnan(shift).any():  # NaN: a joint or a length it depends on is missing
        points[list(joints)] += shift
