"""Key points in three dimensions, as some detectors and files give them beside those in the picture.

`pose_keypoints_3d` of a person in a POSE_KEYPOINT frame is a list of 18 times (x, y, z, confidence), in metres from
the mid hip: x to the right of the picture, y down, z away from the viewer. A point of confidence 0, or with anything
null, is missing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import PoseError
from .keypoints import Pose
from .reading import parse, read_pose_keypoints

KEY = "pose_keypoints_3d"
NUMBERS = 18 * 4
LEAST_LIKENESS, ENOUGH_TO_COMPARE = 0.7, 3
"""Of a detector's two sets of points, without perspective and with: 0.95 and more."""


def read_metres(value: object, poses: Sequence[Pose]) -> list[np.ndarray | None]:
    """For each pose that `read_pose_keypoints(value)` gave, (18, 3) with NaN where missing; None where there are none.

    Raises:
        PoseError: where the list is not what it should be.
    """
    found = _found_metres(value, poses)
    return [one and _read_person(one[1], pose, one[0]) for one, pose in zip(found, poses, strict=True)]


def written_metres(value: object, poses: Sequence[Pose]) -> list[Any]:
    """As `read_metres`, but as they are written, for whoever passes them on: who uses them judges them."""
    return [one and one[1] for one in _found_metres(value, poses)]


def write_metres(metres: np.ndarray | None) -> list[float]:
    """(18, 3), NaN where missing -> `pose_keypoints_3d`: confidence 1, or 0, 0, 0, 0 where missing; empty for None."""
    if metres is None:
        return []
    known = ~np.isnan(metres).any(axis=1, keepdims=True)
    return np.hstack([np.where(known, metres, 0.0), known]).ravel().tolist()


def with_metres(frames: Sequence[dict], written: Sequence[Any]) -> list[dict]:
    """Frames of one person each, with `pose_keypoints_3d` where there are any."""
    return [
        frame | {"people": [frame["people"][0] | {KEY: metres}]} if metres else frame
        for frame, metres in zip(frames, written, strict=True)
    ]


def _found_metres(value: object, poses: Sequence[Pose]) -> list[tuple[str, Any] | None]:
    """For each pose where its list is, for messages, and the list; None where there is none."""
    value = parse(value) if isinstance(value, str | bytes) else value
    frames = value if isinstance(value, list | tuple) else [value]
    if len(frames) != len(poses) or not all(isinstance(frame, dict) for frame in frames):
        return [None] * len(poses)  # a dialect of another tool; none of them has the key
    return [
        _found_in_frame(frame, pose, f"frame {number}")
        for number, (frame, pose) in enumerate(zip(frames, poses, strict=True), 1)
    ]


def _found_in_frame(frame: dict, pose: Pose, where: str) -> tuple[str, Any] | None:
    people = frame.get("people")
    for number, person in enumerate(people if isinstance(people, list | tuple) else [], 1):
        if isinstance(person, dict) and person.get(KEY) and _is(person, frame, pose):
            return f"{where}, person {number}, {KEY}", person[KEY]
    return None


def _is(person: dict, frame: dict, pose: Pose) -> bool:
    """Whether this is the one of the frame's people who was taken."""
    try:
        alone, = read_pose_keypoints({**frame, "people": [person]})
    except PoseError:  # has no points
        return False
    return np.array_equal(alone.points, pose.points, equal_nan=True)


def _read_person(values: object, pose: Pose, where: str) -> np.ndarray:
    try:
        rows = np.array(values, dtype=np.float64).reshape(-1, 4)  # null becomes NaN
    except (TypeError, ValueError):
        rows = np.empty((0, 4))
    if rows.size != NUMBERS or np.isinf(rows).any():
        raise PoseError(
            f"Key points, {where}: must be a list of {NUMBERS} numbers, x, y, z in metres and a confidence for each of "
            "18 joints. Take it out of the file to have the depth estimated."
        )
    missing = np.isnan(rows).any(axis=1) | (rows[:, 3] <= 0)
    metres = np.where(missing[:, None], np.nan, rows[:, :3])
    if not _lies_over(metres, pose):
        raise PoseError(
            f"Key points, {where}: does not lie over pose_keypoints_2d. x must run to the right of the picture, y "
            "down, and z away from the viewer. Take it out of the file to have the depth estimated."
        )
    return metres


def _lies_over(metres: np.ndarray, pose: Pose) -> bool:
    both = pose.visible & ~np.isnan(metres).any(axis=1)
    if both.sum() < ENOUGH_TO_COMPARE:
        return True
    flat, seen = metres[both, :2], pose.points[both]
    sides = [_likeness(flat[:, [axis]], seen[:, [axis]]) for axis in (0, 1)]
    return _likeness(flat, seen) >= LEAST_LIKENESS and min(sides) > -LEAST_LIKENESS


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two sets of points (n, 1 or 2), whatever their size and place; 0 where one has no extent."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    return float((first * second).sum() / max(np.linalg.norm(first) * np.linalg.norm(second), 1e-9))


def brought_to_picture(metres: np.ndarray, pose: Pose) -> np.ndarray | None:
    """(18, 3) in pixels, laid over the pose's visible points, z 0 in their mean; None with too few to lay it over."""
    both = pose.visible & ~np.isnan(metres).any(axis=1)
    if both.sum() < ENOUGH_TO_COMPARE:
        return None
    offsets, seen = metres - metres[both].mean(axis=0), pose.points[both] - pose.points[both].mean(axis=0)
    scale = np.linalg.norm(seen) / np.linalg.norm(offsets[both, :2])
    return offsets * scale + (*pose.points[both].mean(axis=0), 0.0)


def measured_again(points: np.ndarray, metres: np.ndarray | None) -> np.ndarray | None:
    """(18, 3) in pixels -> in metres from the mid hip, as large, all in all, as `metres` of the same joints.

    None where these are none, or too few to compare.
    """
    if metres is None:
        return None
    both = ~np.isnan(points + metres).any(axis=1)
    if both.sum() < ENOUGH_TO_COMPARE:
        return None
    size, wanted = (np.linalg.norm(space[both] - space[both].mean(axis=0)) for space in (points, metres))
    hips = points[[8, 11]].mean(axis=0)
    origin = points[both].mean(axis=0) if np.isnan(hips).any() else hips
    return (points - origin) * (wanted / size)
