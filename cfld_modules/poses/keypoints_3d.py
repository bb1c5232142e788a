"""Reads `pose_keypoints_3d`, and aligns these points in space with those in the picture.

`pose_keypoints_3d` of a person is a list of x, y, z and confidence for each point of `pose_keypoints_2d`, in the same
order: x to the right of the picture, y down, z away from the viewer, in metres from the mid hip. A point of confidence
0, or with anything null, is missing. Where only relative lengths matter any unit and origin will do.
"""

import numpy as np

from ..errors import PoseError
from .keypoints import HIPS, KEYPOINTS_3D, Pose

MIN_LIKENESS, MIN_POINTS = 0.7, 3
"""Of a detector's two sets of points, without perspective and with: 0.95 and more."""

MIN_EXTENT = 0.1
"""Of the whole person: seen from the side, the points' x say nothing about where the right of the picture is."""


def parse_keypoints_3d(values: object, count: int, where: str) -> np.ndarray | None:
    """The list of a person of `count` points -> (count, 3), NaN where missing; None where it is empty; or PoseError."""
    if not values:
        return None
    if isinstance(values, list | tuple) and all(isinstance(row, dict) for row in values):  # MediaPipe's
        values = [[row.get(key, 1) for key in ("x", "y", "z", "visibility")] for row in values]
    try:
        rows = np.array(values, dtype=np.float64)  # null becomes NaN
        if rows.ndim == 2 and rows.shape[1] == 3:  # without a confidence
            rows = np.pad(rows, ((0, 0), (0, 1)), constant_values=1.0)
        rows = rows.reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        rows = np.empty((0, 4))
    if len(rows) != count or np.isinf(rows).any():
        raise PoseError(
            f"Key points, {where}, {KEYPOINTS_3D}: must be a list of {count * 4} numbers, x, y, z in metres and a "
            f"confidence for each of {count} joints. Take it out of the file to have the depth estimated."
        )
    missing = np.isnan(rows).any(axis=1) | (rows[:, 3] <= 0)
    return None if missing.all() else np.where(missing[:, None], np.nan, rows[:, :3])


def check_axes(pose: Pose, where: str) -> None:
    """Raises PoseError where the third dimension does not lie over the points in the picture."""
    space, in_both = _in_both(pose)
    if in_both.sum() < MIN_POINTS:
        return
    flat, picture_points = _centred(space[in_both, :2]), _centred(pose.points[in_both])
    extents = np.linalg.norm(flat, axis=0) > MIN_EXTENT * np.linalg.norm(flat)
    sides = [_likeness(flat[:, axis], picture_points[:, axis]) for axis in np.flatnonzero(extents)]
    if _likeness(flat, picture_points) < MIN_LIKENESS or min(sides) <= -MIN_LIKENESS:
        raise PoseError(
            f"Key points, {where}, {KEYPOINTS_3D}: does not lie over pose_keypoints_2d. x must run to the right of the "
            "picture, y down, and z away from the viewer. Take it out of the file to have the depth estimated."
        )


def laid_over_picture(pose: Pose) -> np.ndarray | None:
    """`keypoints_3d` in pixels (18, 3), laid over the visible points, z 0 in their mean; None where these are few."""
    space, in_both = _in_both(pose)
    if in_both.sum() < MIN_POINTS:
        return None
    middle = pose.points[in_both].mean(axis=0)
    offsets = space - space[in_both].mean(axis=0)
    scale = np.linalg.norm(pose.points[in_both] - middle) / np.linalg.norm(offsets[in_both, :2])
    return offsets * scale + (*middle, 0.0)


def in_metres(points: np.ndarray, reference: np.ndarray | None) -> np.ndarray | None:
    """(18, 3) in pixels -> metres from the mid hip, as large as `reference` in metres; None with too few joints."""
    if reference is None:
        return None
    in_both = ~np.isnan(points + reference).any(axis=1)
    if in_both.sum() < MIN_POINTS:
        return None
    size, reference_size = (np.linalg.norm(_centred(space[in_both])) for space in (points, reference))
    hips = points[HIPS].mean(axis=0)
    origin = points[in_both].mean(axis=0) if np.isnan(hips).any() else hips
    return (points - origin) * (reference_size / size)


def _in_both(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """(18, 3), all NaN where nothing is known in space; (18,) bool: which joints are known there and in the picture."""
    space = np.full((len(pose.points), 3), np.nan) if pose.keypoints_3d is None else pose.keypoints_3d
    return space, pose.visible & ~np.isnan(space).any(axis=1)


def _centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(axis=0)


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two sets of centred points, whatever their size; 0 where one has no extent."""
    return float((first * second).sum() / max(np.linalg.norm(first) * np.linalg.norm(second), 1e-9))
