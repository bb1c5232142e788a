"""Errors of the pose lifter in space: on mannequins it was not trained on, and on key points given in metres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..mannequins.benchmark import split_seeds
from ..mannequins.body import key_points
from ..mannequins.drawing import draw_mannequin
from ..mannequins.identity import sample_identity
from ..mannequins.skeleton import articulate, sample_pose
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


def mannequin_errors(count: int) -> dict[str, LiftingErrors]:
    """By view, of people and poses of the test split turned evenly around the circle."""
    by_view: dict[str, list[_Errors]] = {view: [] for view in VIEWS.values()}
    for number, seed in enumerate(split_seeds("test", count)):
        identity, yaw = sample_identity(seed), 360 * number / count
        pose = replace(sample_pose(seed), yaw=yaw)
        space = key_points(identity, articulate(pose, identity.proportions))
        drawn_pose = draw_mannequin(identity, pose, 88, 128).pose
        view = VIEWS[45 * round(abs((yaw + 180) % 360 - 180) / 45)]
        by_view[view].append(_errors(replace(drawn_pose, keypoints_3d=space), identity.proportions.stature))
    all_errors = [person for people in by_view.values() for person in people]
    return {view: _mean(people) for view, people in (by_view | {"all": all_errors}).items()}


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
