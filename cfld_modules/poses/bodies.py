"""Reads one person of a key-point file: the points, and which of them are missing.

Points come as numbers x, y, score one after another, as a list for each point, as objects with `x` and `y`, or as
columns. Where they have names they are read by these; else the order is the bones' to tell (`layouts`).

A point is missing where its score is 0 or anything of it is null, and at exactly (0, 0) or (-1, -1) where it has no
score. Where scores are real, that is where a body has any other than 0, 1 and 2, it is also missing at (-1, -1) and
below a threshold of the detector's:

* 0.05 for OpenPose, which draws from there on, gives no position without evidence and writes 0, 0, 0 instead;
* 0.3 for those that place every joint whether they see it or not: core's SDPose, told by its `foot_keypoints_2d`,
  rtmlib, DWPose and RTMPose, told by not having a single zero, and whatever writes COCO's order;
* 0.4 for AlphaPose and 0.5 for MediaPipe, which themselves draw from there on.

Third numbers of which several are clearly below 0 are no scores but a depth, and tell nothing.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ..errors import PoseError, short
from .joint_names import joint_of, layout_of_names
from .keypoints import KEYPOINTS_3D
from .layouts import BLAZEPOSE, COCO_17, COCO_18, LAYOUTS, TOES, Layout

MIN_SCORE_WHERE_MISSING_IS_ZERO, MIN_SCORE_WHERE_ALL_ARE_PLACED = 0.05, 0.3
MIN_SCORE_OF_ALPHAPOSE, MIN_SCORE_OF_MEDIAPIPE = 0.4, 0.5
MOST_NEGATIVE_SCORE, MIN_NEGATIVES = 0.1, 1 / 6
"""Of the largest, and of all: a heatmap's peak may be a little below 0, and -1 stand for a joint that is missing; a
depth is as often below as above."""

OPENPOSE_KEYS = ("pose_keypoints_2d", "pose_keypoints")
BODY_KEYS = (*OPENPOSE_KEYS, "keypoints", "pred_keypoints_2d", "joints", "landmarks", "landmark")
ID_KEYS = ("person_id", "track_id", "trackId", "tracking_id", "instance_id", "idx", "id")
SCORE_KEYS = ("score", "confidence", "visibility", "likelihood", "conf", "c")
NAME_KEYS = ("name", "part", "label", "keypoint", "joint")
_LISTS_OF_SCORES = ("keypoint_scores", "keypoints_scores", "scores")
_LARGEST = 1e6  # nothing further out can be drawn; also what NaN and infinity fail


@dataclass(frozen=True, eq=False)
class Body:
    """A person as written.

    where: for messages.
    points: (n, 2), NaN where missing; shares of the canvas or pixels.
    names: the order of the points where the file tells it; else n is a key of `LAYOUTS`.
    written: the object in which the points were, with all else in it.
    space: the third dimension, as it is written, None where there is none.
    """

    where: str
    points: np.ndarray
    names: Layout | None
    written: Mapping
    space: Any = None

    @property
    def person_id(self) -> int | None:
        """By which a tracker knows the person; OpenPose writes -1 where it does not track."""
        value = next((self.written[key] for key in ID_KEYS if self.written.get(key) is not None), None)
        while isinstance(value, list | tuple) and value:
            value = value[0]
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < 1e9:
            return None
        return int(float(value)) if float(value).is_integer() else None


def read_body(person: object, where: str, names: Layout | None = None, tool: str = "") -> Body | None:
    """None for somebody without a body array. names: the order that the file tells for all; tool: its `version`."""
    if not isinstance(person, Mapping):
        raise PoseError(f"Key points, {where}: must be an object with 'pose_keypoints_2d', got {short(person)}.")
    key = next((key for key in BODY_KEYS if key in person), None)
    if key is None:
        return None
    values, where = person[key], f"{where}, {key}"
    if values is None or (isinstance(values, list | tuple) and not values):
        return Body(where, np.full((18, 2), np.nan), COCO_18, person)
    rows, own_names = _rows(values, person, where)
    names = own_names or (names if names and len(names) == len(rows) else _names_of_tool(key, person, len(rows)))
    if names is None and len(rows) not in LAYOUTS:
        raise _wrong_number(len(rows), where)
    missing = _missing(rows, _min_score(rows, names, person, tool), where)
    return Body(where, np.where(missing[:, None], np.nan, rows[:, :2]), names, person, person.get(KEYPOINTS_3D))


def _wrong_number(points: float, where: str) -> PoseError:
    return PoseError(
        f"Key points, {where}: holds {points:g} points. Wanted are 18 (54 numbers: x, y, confidence each) in "
        f"OpenPose's order, or as many as another tool gives: {', '.join(map(str, LAYOUTS))}."
    )


def _names_of_tool(key: str, person: Mapping, count: int) -> Layout | None:
    """The order of those that always write the same: MediaPipe, and ultralytics and COCO's results with 17 points."""
    if count == len(BLAZEPOSE) and key.startswith("landmark"):
        return BLAZEPOSE
    is_coco = isinstance(person[key], Mapping) or "category_id" in person
    return COCO_17 if is_coco and count == len(COCO_17) else None


def check_number(values: Collection, most: int, what: str, where: str) -> None:
    """Raises PoseError where there are more than `most`."""
    if len(values) > most:
        raise PoseError(f"Key points, {where}: {len(values)} {what}; more than {most} are not read. Give a part.")


def numbers(values: Sequence, where: str) -> np.ndarray:
    """A list of numbers -> (count,) float64; null becomes NaN."""
    if {*map(type, values)} <= {float, int} and all(-_LARGEST <= value <= _LARGEST for value in values):
        return np.array(values, np.float64)  # as next to all are
    return np.array([
        np.nan if value is None else number(value, f"{where}, number {position}")
        for position, value in enumerate(values, 1)
    ])


def number(value: object, where: str) -> float:
    """Raises PoseError where it is none, or none that a coordinate may be."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _LARGEST:  # type: ignore[arg-type]
        raise PoseError(f"Key points, {where}: must be a number between -1000000 and 1000000, got {short(value)}.")
    return float(value)  # type: ignore[arg-type]


def _min_score(rows: np.ndarray, names: Layout | None, person: Mapping, tool: str) -> float:
    layout = names or LAYOUTS[len(rows)][0]
    if "alphapose" in tool.lower() or "idx" in person:
        return MIN_SCORE_OF_ALPHAPOSE
    if layout == BLAZEPOSE:
        return MIN_SCORE_OF_MEDIAPIPE
    has_zeros = bool((rows == 0).all(axis=1).any()) or layout == TOES
    is_openpose = layout in (COCO_18, TOES) and len(rows) < 60 and has_zeros and "foot_keypoints_2d" not in person
    return MIN_SCORE_WHERE_MISSING_IS_ZERO if is_openpose else MIN_SCORE_WHERE_ALL_ARE_PLACED


def _missing(rows: np.ndarray, min_score: float, where: str) -> np.ndarray:
    """(n, 3) x, y, score, NaN for null -> (n,) bool."""
    scores, is_given = rows[:, 2], ~np.isnan(rows).any(axis=1)
    is_at_no_place = (rows[:, :2] == 0).all(axis=1) | (rows[:, :2] == -1).all(axis=1)
    positive = scores[is_given & ~is_at_no_place & (scores != -1)]
    if len(positive) and (positive < -MOST_NEGATIVE_SCORE * np.abs(positive).max()).mean() >= MIN_NEGATIVES:
        logging.getLogger("cfld").warning(
            f"Key points, {where}: several third numbers are negative, so they are no confidence; all points are taken"
        )
        return ~is_given | is_at_no_place
    missing = ~is_given | (scores <= 0)
    if not np.isin(scores[~np.isnan(scores)], (0, 1, 2)).all():
        missing |= (scores < min_score) | (rows[:, :2] == -1).all(axis=1)
    return missing


def _rows(values: object, person: Mapping, where: str) -> tuple[np.ndarray, Layout | None]:
    """(n, 3) x, y, score, and the points' names where they have any."""
    if isinstance(values, Mapping) and {"x", "y"} <= values.keys():
        values = _columns(values, where)
    if isinstance(values, Mapping):
        return _by_name(values, where)
    if not isinstance(values, list | tuple):
        raise PoseError(f"Key points, {where}: must be a list of numbers, got {short(values)}.")
    names, is_flat = None, {*map(type, values)} <= {float, int}
    if not is_flat and any(isinstance(row, Mapping) for row in values):
        _check_points(len(values), where)
        names = layout_of_names([_first(row, NAME_KEYS) if isinstance(row, Mapping) else None for row in values])
    if not is_flat and any(isinstance(row, list | tuple | Mapping) for row in values):
        _check_points(len(values), where)
        rows = [_row(row, where) for row in values]
        scores = next((person[key] for key in _LISTS_OF_SCORES if isinstance(person.get(key), list | tuple)), ())
        if len(scores) == len(rows):
            rows = [(x, y, score) for (x, y, _), score in zip(rows, scores, strict=True)]
        values = [value for row in rows for value in row]
    if len(values) % 3:
        raise _wrong_number(len(values) / 3, where)
    _check_points(len(values) // 3, where)
    return numbers(values, where).reshape(-1, 3), names


def _row(row: object, where: str) -> tuple:
    """A point as [x, y, score], as [x, y], where [0, 0] and [-1, -1] are none, as an object or as null."""
    if row is None:
        return (None, None, 0)
    if isinstance(row, Mapping):
        at = row.get("position") if isinstance(row.get("position"), Mapping) else row
        x, y, score = at.get("x"), at.get("y"), _first(row, SCORE_KEYS)  # type: ignore[union-attr]
        return (x, y) + (1 if score is None else score,)
    if not isinstance(row, list | tuple) or len(row) not in (2, 3):
        raise PoseError(f"Key points, {where}: a point must be [x, y] or [x, y, confidence], got {short(row)}.")
    return tuple(row) if len(row) == 3 else (*row, 0 if list(row) in ([0, 0], [-1, -1]) else 1)


def _columns(columns: Mapping, where: str) -> list[tuple]:
    """YOLO's: lists of x, y and, where the model says it, visible."""
    xs, ys = columns["x"], columns["y"]
    visible = columns.get("visible")
    lists = [xs, ys] if visible is None else [xs, ys, visible]
    lengths = {len(column) if isinstance(column, list) else -1 for column in lists}
    if len(lengths) > 1 or lengths == {-1}:
        raise PoseError(f"Key points, {where}: must hold lists 'x', 'y' and 'visible' of one length.")
    return list(zip(*lists, strict=True))


def _by_name(points: Mapping, where: str) -> tuple[np.ndarray, Layout]:
    _check_points(len(points), where)
    names = layout_of_names(list(points))
    if names is None:
        raise PoseError(
            f"Key points, {where}: the points' names are not a body's ({', '.join(map(short, list(points)[:6]))})."
        )
    rows = [_row(row, where) for row, name in zip(points.values(), names, strict=True) if name]
    values = [value for row in rows for value in row]
    return numbers(values, where).reshape(-1, 3), tuple(name for name in names if name)


def is_named_person(value: Mapping) -> bool:
    """Whether its keys are a body's points."""
    points = [point for name, point in value.items() if joint_of(name) and isinstance(point, list | tuple | Mapping)]
    return len(points) > 5 and layout_of_names(list(value)) is not None


def _first(row: Mapping, keys: Sequence[str]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)


def _check_points(count: int, where: str) -> None:
    check_number(range(count), 2_000, "points", where)
