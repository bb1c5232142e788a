"""Pose accuracy by an independent detector: the pose BlazePose sees in a result, against the pose asked for.

The truth is judged as well, since no detector sees all: its scores are the best that can be had.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..checkpoints.blazepose_file import load_blazepose
from ..poses.detection.detector import Detector
from ..poses.keypoints import Pose, centre

NECK, HIPS, FACE = 1, [8, 11], [0, 14, 15, 16, 17]
PCK_THRESHOLD, PCKH_THRESHOLD = 0.1, 0.5


def judge_pair(folder: Path, result: np.ndarray, truth: np.ndarray, asked: Pose) -> dict[str, float]:
    """`Judgement` of a result, and with `_of_truth` behind the names that of its truth.

    Args:
        folder: where BlazePose lies (`load_blazepose`).
    """
    detector = _blazepose(folder)
    of_truth = asdict(judge_picture(detector, truth, asked))
    return asdict(judge_picture(detector, result, asked)) | {f"{name}_of_truth": of_truth[name] for name in of_truth}


@cache
def _blazepose(folder: Path) -> Detector:
    return load_blazepose([folder])


@dataclass(frozen=True)
class Judgement:
    """Of one picture.

    found: whether the detector sees a person.
    pck: share of the key points asked for that it sees within a tenth of the torso's length (neck to hips) of where
        they were asked for; those it does not see are wrong ones. NaN where the pose asked for has no torso.
    pckh: the same within half of the head's length (neck to the middle of the face); NaN where it has no head.
    """

    found: bool
    pck: float
    pckh: float


def judge_picture(detector: Detector, picture: np.ndarray, asked: Pose) -> Judgement:
    """What the detector sees in a picture RGB uint8 (H, W, 3) that should show `asked`, on a canvas of its aspect."""
    height, width = picture.shape[:2]
    points = asked.points * (width, height) / (asked.width, asked.height)
    people = detector.find_people(picture).poses
    if not people:
        return Judgement(False, *(0.0 if np.isfinite(length) else np.nan for length in _lengths(points)))
    torso, head = _lengths(points)
    closest = min((person.points for person in people), key=lambda person: _distance(person, points))
    pck, pckh = (_share(closest, points, length) for length in (PCK_THRESHOLD * torso, PCKH_THRESHOLD * head))
    return Judgement(True, pck, pckh)


def _lengths(points: np.ndarray) -> tuple[float, float]:
    """Of torso and head, in pixels; NaN where they cannot be told."""
    hips, face = (centre(points[part]) for part in (HIPS, FACE))
    return float(np.linalg.norm(points[NECK] - hips)), float(np.linalg.norm(points[NECK] - face))


def _share(detected: np.ndarray, points: np.ndarray, threshold: float) -> float:
    """Of the points there are, how many are seen within the threshold."""
    if not np.isfinite(threshold):
        return np.nan
    is_asked_for = ~np.isnan(points).any(axis=1)
    return float((np.linalg.norm(detected - points, axis=1)[is_asked_for] < threshold).mean())


def _distance(detected: np.ndarray, points: np.ndarray) -> float:
    """Mean of the points that both have; infinite where there is none."""
    distances = np.linalg.norm(detected - points, axis=1)
    return float(np.nanmean(distances)) if np.isfinite(distances).any() else np.inf
