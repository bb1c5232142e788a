"""Errors of the pose lifter in space: on the bundled people, and on key points given in metres."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..demo_people import KEY_POINTS_3D, PEOPLE, POSES, demo_photo, photo_name
from ..poses.keypoints import Pose
from ..poses.keypoints_3d import laid_over_picture
from ..poses.lifting import lift

VIEWS = {0: "front", 45: "front, half turned", 90: "side", 135: "back, half turned", 180: "back"}
STATURE = 1.7
"""Metres, of people in photographs: nobody knows how tall they are."""

_Errors = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class LiftingErrors:
    """Mean distances of joints from the truth in % of the person's height.

    visible: of joints that the picture shows, so in depth alone; `flat` if all had one depth.
    hidden: of joints that the picture does not show but the lifter tells, in space; NaN if there are none.
    """

    people: int
    visible: float
    flat: float
    hidden: float


def bundled_errors() -> dict[str, LiftingErrors]:
    """By view, of all bundled people in all their poses; views that none of these shows are left out."""
    spaces = {name: np.array(space) for name, space in json.loads(KEY_POINTS_3D.read_text()).items()}
    by_view: dict[str, list[_Errors]] = {view: [] for view in VIEWS.values()}
    for person in range(PEOPLE):
        stature = _stature(person, spaces[photo_name(person, 0)])
        for number in range(POSES):
            space = spaces[photo_name(person, number)]
            pose = replace(demo_photo(person, number).pose, keypoints_3d=space)
            by_view[view_of(space)].append(_errors(pose, stature))
    all_errors = [errors for view in by_view.values() for errors in view]
    return {view: _mean(people) for view, people in (by_view | {"all": all_errors}).items() if people}


def view_of(space: np.ndarray) -> str:
    """One of `VIEWS`: how far the hips of key points in space (18, 3) are turned away from the viewer."""
    right, _, away = space[11] - space[8]
    return VIEWS[45 * round(abs(np.degrees(np.arctan2(away, right))) / 45)]


def _stature(person: int, space: np.ndarray) -> float:
    """Metres, of the whole figure in the first pose, whose key points in space these are."""
    photo = demo_photo(person, 0)
    rows = np.flatnonzero(photo.silhouette.any(axis=1))
    seen = photo.pose.visible
    return float((rows[-1] + 1 - rows[0]) * np.ptp(space[seen, 1]) / np.ptp(photo.pose.points[seen, 1]))


def detected_errors(poses: Sequence[Pose]) -> LiftingErrors:
    """Of detected poses, with their `keypoints_3d` as the truth; the height is `STATURE`."""
    return _mean([_errors(pose, STATURE) for pose in poses])


def _errors(pose: Pose, height: float) -> _Errors:
    """Of each visible joint, of the same if flat, of each hidden joint: shares of the height, which is in the unit of
    the pose's `keypoints_3d`.
    """
    truth, space = laid_over_picture(pose), pose.keypoints_3d
    if truth is None or space is None:
        return np.empty(0), np.empty(0), np.empty(0)
    first, second = np.flatnonzero(~np.isnan(space).any(axis=1))[:2]
    pixels = height * np.linalg.norm(truth[first] - truth[second]) / np.linalg.norm(space[first] - space[second])
    offsets = (lift(replace(pose, keypoints_3d=None)).points - truth) / pixels
    visible = pose.visible
    return np.abs(offsets[visible, 2]), np.abs(truth[visible, 2]) / pixels, np.linalg.norm(offsets[~visible], axis=1)


def _mean(people: Sequence[_Errors]) -> LiftingErrors:
    visible, flat, hidden = (np.concatenate(parts) for parts in zip(*people, strict=True))
    return LiftingErrors(len(people), *map(_percent, (visible, flat, hidden)))


def _percent(shares: np.ndarray) -> float:
    known_shares = shares[~np.isnan(shares)]
    return 100 * float(known_shares.mean()) if len(known_shares) else np.nan
