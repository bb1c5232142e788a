"""Turning: a person in space, seen from another side."""

import numpy as np
from scipy.spatial.transform import Rotation

from .keypoints import ANKLES, HIPS, Pose
from .lifting import SpatialPose, lift
from .visibility import hidden_joints

_LEGS = [8, 9, 10, 11, 12, 13]


def turntable(pose: Pose, angle: float, tilt: float, frames: int) -> list[Pose]:
    """The pose at `frames` angles of `turn`, evenly around from `angle` on; at 0 without tilt it is `pose` itself."""
    space = lift(pose)
    angles = [(angle + 360 * number / frames) % 360 for number in range(frames)]
    return [pose if one == 0 and tilt == 0 else turn(space, one, tilt) for one in angles]


def turn(space: SpatialPose, angle: float, tilt: float) -> Pose:
    """The pose with the person turned by `angle` and the viewer raised by `tilt` degrees, of the same size.

    Clockwise as seen from above: who faces the viewer faces the left edge of the picture after 90. The axis is the
    vertical through the middle of the person's joints. Where an ankle is known the floor (the lowest leg joint) stays
    where it is; else the mid hip, or the middle of the joints, does. What a detector would not see is missing, see
    `visibility`.
    """
    is_known = ~np.isnan(space.points).any(axis=1)
    axis = space.points[is_known].mean(axis=0)
    # About the vertical first; by the tilt the head comes nearer, as it does for a viewer who rises.
    turned_points = Rotation.from_euler("yx", (angle, tilt), degrees=True).apply(space.points - axis)
    shift = _foothold(space.points) - _foothold(turned_points)
    points = turned_points[:, :2] + (axis[0], shift)
    points[hidden_joints(turned_points)] = np.nan
    return Pose(points, space.width, space.height)


def _foothold(points: np.ndarray) -> float:
    """y of what stays where it is."""
    if not np.isnan(points[ANKLES]).all():
        return float(np.nanmax(points[_LEGS, 1]))
    hips = points[HIPS, 1]
    return float(np.nanmean(points[:, 1] if np.isnan(hips).all() else hips))
