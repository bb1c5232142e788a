"""Key points as people's tools write them. A dialect is one small function; see `_DIALECTS`.

====================================  ==================================================================================
controlnet_aux DWPose                 pixels, confidence 1 or 0, body array null when there is no body
controlnet_aux OpenPose, SDPose-OOD   0-1 of the canvas, confidence 1 or 0
core SDPose Keypoint Extractor        pixels, real scores, (-1, -1) where it failed, `foot_keypoints_2d` for everybody
OpenPose (CMU)                        18 or 25 points, pixels or 0-1, real scores; `pose_keypoints` before version 1.2
older editors                         `keypoints`, a list of points [x, y] for each person; `width` and `height`
COCO annotations                      `images` and `annotations` with 17 points and visibility 0, 1, 2
MMPose                                `instance_info` with 17 points and `keypoint_scores`
the annotations of the authors        `keypoints_y` and `keypoints_x` of 18 each, -1 where missing, in a frame of
                                      176x256 (width x height) if no canvas is given
====================================  ==================================================================================

One frame, a list of frames or a collection of them by name. How many points a body may have, and in which order, is in
`body_layouts`; what becomes of the frames is in `reading`.

A point is missing where its confidence is 0 or anything of it is null. Where scores are real, that is where a body
has any other than 0, 1 and 2, it is also missing at exactly (-1, -1) and below a threshold of the detector's.
OpenPose gives no position without evidence and draws from 0.05 on. Those that place every joint whether they see it
or not need 0.3: core's SDPose, told by its `foot_keypoints_2d`, which OpenPose keeps in its BODY_25, and whatever
writes COCO's order, told by the number of points.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from numbers import Real

import numpy as np

from ..errors import PoseError, short
from .body_layouts import COCO_18, LAYOUTS, Layout, layout_of

MIN_SCORE_WHERE_MISSING_IS_ZERO, MIN_SCORE_WHERE_ALL_ARE_PLACED = 0.05, 0.3

# A file beyond these is a mistake or an attack, and is refused before anything of it is read.
MOST_FRAMES, MOST_PEOPLE, DEEPEST = 5_000, 10_000, 6
_LARGEST = 1e6  # nothing further out can be drawn; also what NaN and infinity fail

_ANNOTATION_CANVAS = (176, 256)
_CANVAS_KEYS = (("canvas_width", "canvas_height"), ("width", "height"))
_BODY_KEYS = ("pose_keypoints_2d", "pose_keypoints", "keypoints")

EXPECTED = (
    'Expected OpenPose JSON: [{"canvas_width": 352, "canvas_height": 512, '
    '"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}].'
)


@dataclass(frozen=True)
class Body:
    """A person as written.

    where: for messages.
    points: (n, 2), NaN where missing, n a key of `LAYOUTS`; shares of the canvas or pixels.
    layout: the order of the points, None where the bones do not tell.
    written: the object in which the points were, with all else in it.
    """

    where: str
    points: np.ndarray
    layout: Layout | None
    written: Mapping


@dataclass(frozen=True)
class Frame:
    where: str
    canvas: tuple[int, int]
    people: list[Body]


def read_frames(value: object) -> Iterator[Frame]:
    """All frames in a value of any dialect. Raises PoseError for anything that is no frame."""
    return _read(value, {}, "", 0)


def _read(value: object, outer: Mapping, where: str, depth: int) -> Iterator[Frame]:
    """outer: the canvas of what the value lies in, for frames without their own. where: empty at the top."""
    if depth > DEEPEST:
        raise PoseError(f"Key points, {where}: are nested too deeply. {EXPECTED}")
    if isinstance(value, list | tuple):
        check_number(value, MOST_FRAMES, "frames", where or "the list")
        for number, part in enumerate(value, 1):
            yield from _read(part, outer, f"frame {number}", depth + 1)
    elif isinstance(value, dict):
        read = next((read for keys, read in _DIALECTS if keys <= value.keys()), None)
        if read:
            yield from read({**outer, **value}, where or "frame 1")
        else:
            yield from _read_collection(value, outer, where or "frame 1", depth)
    elif where:
        raise PoseError(f"Key points, {where}: must be an object, got {short(value)}. {EXPECTED}")
    else:
        raise PoseError(f"Key points must be a frame or a list of frames, got {short(value)}. {EXPECTED}")


def _read_collection(collection: dict, outer: Mapping, where: str, depth: int) -> Iterator[Frame]:
    """Frames by name, or a file with its frames under some key."""
    parts = {name: part for name, part in collection.items() if isinstance(part, dict | list)}
    if not parts:
        keys = ", ".join(short(key) for key in list(collection)[:8]) or "none"
        raise PoseError(f"Key points, {where}: has no 'people' (its keys: {keys}). {EXPECTED}")
    check_number(parts, MOST_FRAMES, "frames", where)
    canvas = {key: collection[key] for key in chain(*_CANVAS_KEYS) if key in collection}
    for name in sorted(parts, key=_numbers_first):
        yield from _read(parts[name], {**outer, **canvas}, f"frame {short(name)}", depth + 1)


def _numbers_first(name: object) -> float:
    """Frames named by numbers are in that order and come first, as JavaScript's objects have them."""
    is_number = isinstance(name, str) and re.fullmatch("0|[1-9][0-9]{0,9}", name) and int(name) < 2**32 - 1
    return int(name) if is_number else math.inf  # type: ignore[call-overload]


# --- What the tools write: (the object with its canvas, where it is) -> frames ----------------------------------------


def _read_openpose(frame: dict, where: str) -> Iterator[Frame]:
    yield Frame(where, _canvas(frame, where), _bodies(frame["people"], where))


def _read_editor(frame: dict, where: str) -> Iterator[Frame]:
    """`keypoints` of one person, or a list of them for several."""
    people = frame["keypoints"]
    is_several = isinstance(people, list) and any(
        isinstance(point, list) for person in people if isinstance(person, list) for point in person
    )
    bodies = [{"keypoints": person} for person in people] if is_several else [frame]
    yield Frame(where, _canvas(frame, where), _bodies(bodies, where))


def _read_coco(file: dict, where: str) -> Iterator[Frame]:
    """One frame for each picture in which somebody is annotated."""
    images = {_identity(image.get("id")): image for image in _objects(file, "images", where)}
    people: dict[str, list[dict]] = {}
    for person in _objects(file, "annotations", where):
        people.setdefault(_identity(person.get("image_id")), []).append(person)
    check_number(people, MOST_FRAMES, "frames", where)
    for image, bodies in people.items():
        where = f"image {short(image)}"
        yield Frame(where, _canvas({**file, **images.get(image, {})}, where), _bodies(bodies, where))


def _read_mmpose(file: dict, where: str) -> Iterator[Frame]:
    for number, frame in enumerate(_objects(file, "instance_info", where), 1):
        where = f"frame {number}"
        yield Frame(where, _canvas({**file, **frame}, where), _bodies(frame.get("instances"), where))


def _read_annotation(frame: dict, where: str) -> Iterator[Frame]:
    y, x = (_numbers(frame[key], (18,), f"{where}, {key}") for key in ("keypoints_y", "keypoints_x"))
    points = np.stack([x, y], axis=1)
    points[((points == -1) | np.isnan(points)).any(axis=1)] = np.nan
    canvas = _ANNOTATION_CANVAS
    if any(key in frame for key in chain(*_CANVAS_KEYS)):
        canvas = _canvas(frame, where)
    elif (points > canvas).any():
        right, bottom = np.nanmax(points, axis=0)
        raise PoseError(
            f"Key points, {where}: keypoints_x and keypoints_y reach x {right:g} and y {bottom:g}, but without a size "
            "of their own they are on a frame of 176x256. Add canvas_width and canvas_height, the size of the picture."
        )
    yield Frame(where, canvas, [Body(where, points, COCO_18, frame)])


def _read_animals(frame: dict, where: str) -> Iterator[Frame]:
    raise PoseError(
        f"Key points, {where}: these are animals', of an animal pose estimator; CFLD needs the key points of a person."
    )


_DIALECTS: tuple[tuple[set[str], Callable[[dict, str], Iterator[Frame]]], ...] = (
    ({"people"}, _read_openpose),
    ({"keypoints_y", "keypoints_x"}, _read_annotation),
    ({"annotations"}, _read_coco),
    ({"instance_info"}, _read_mmpose),
    ({"keypoints"}, _read_editor),
    ({"animals"}, _read_animals),
)
"""The keys by which a dialect is known, and what reads it."""


# --- What they have in common -----------------------------------------------------------------------------------------


def _objects(file: Mapping, key: str, where: str) -> list[dict]:
    objects = [] if file.get(key) is None else file[key]
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise PoseError(f"Key points, {where}: '{key}' must be a list of objects, got {short(objects)}.")
    return objects


def _identity(value: object) -> str:
    """What tells a picture, a number or a text; whatever else stands there tells nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return ""


def _canvas(frame: Mapping, where: str) -> tuple[int, int]:
    keys = next((keys for keys in _CANVAS_KEYS if any(frame.get(key) is not None for key in keys)), _CANVAS_KEYS[0])
    width, height = (_side(frame, key, where) for key in keys)
    return width, height


def _side(frame: Mapping, key: str, where: str) -> int:
    if frame.get(key) is None:
        raise PoseError(
            f"Key points, {where}: no {key}, so nobody knows where in the picture the points are. "
            "Add canvas_width and canvas_height, the size in pixels of the picture the pose was taken from."
        )
    size = _number(frame[key], f"{where}, {key}")
    if size < 1 or size != int(size):
        raise PoseError(f"Key points, {where}: {key} must be a whole number of at least 1, got {short(frame[key])}.")
    return int(size)


def _bodies(people: object, where: str) -> list[Body]:
    """Everybody who has a body array; hands and faces alone are passed over."""
    people = [] if people is None else people
    if not isinstance(people, list | tuple):
        raise PoseError(f"Key points, {where}: 'people' must be a list, got {short(people)}. {EXPECTED}")
    check_number(people, MOST_PEOPLE, "people", where)
    bodies = (_body(person, f"{where}, person {number}") for number, person in enumerate(people, 1))
    return [body for body in bodies if body is not None]


def _body(person: object, where: str) -> Body | None:
    if not isinstance(person, dict):
        raise PoseError(f"Key points, {where}: must be an object with 'pose_keypoints_2d', got {short(person)}.")
    key = next((key for key in _BODY_KEYS if key in person), None)
    if key is None:
        return None
    values, where = person[key], f"{where}, {key}"
    if values is None or (isinstance(values, list | tuple) and not values):
        return Body(where, np.full((18, 2), np.nan), COCO_18, person)
    rows = _rows(values, person.get("keypoint_scores"), where)
    scores = rows[:, 2]
    missing = np.isnan(rows).any(axis=1) | (scores <= 0)
    if not np.isin(scores[~np.isnan(scores)], (0, 1, 2)).all():
        is_openpose = LAYOUTS[len(rows)][0] is COCO_18 and "foot_keypoints_2d" not in person
        sure = MIN_SCORE_WHERE_MISSING_IS_ZERO if is_openpose else MIN_SCORE_WHERE_ALL_ARE_PLACED
        missing |= (scores < sure) | (rows[:, :2] == -1).all(axis=1)
    points = np.where(missing[:, None], np.nan, rows[:, :2])
    return Body(where, points, layout_of(points), person)


def _rows(values: object, scores: object, where: str) -> np.ndarray:
    """Numbers x, y, score one after another, or one list a point, with or without its score -> (n, 3)."""
    if isinstance(values, dict):
        values = _yolo_rows(values, where)
    if not isinstance(values, list | tuple):
        raise PoseError(f"Key points, {where}: must be a list of numbers, got {short(values)}.")
    if any(isinstance(row, list | tuple) for row in values):
        _check_points(len(values), where)
        rows = [_row(row, where) for row in values]
        if isinstance(scores, list | tuple) and len(scores) == len(rows):
            rows = [(x, y, score) for (x, y, _), score in zip(rows, scores, strict=True)]
        values = [number for row in rows for number in row]
    _check_points(len(values) / 3, where)
    return _numbers(values, (len(values),), where).reshape(-1, 3)


def _row(row: object, where: str) -> tuple:
    """A point as [x, y, score], as [x, y], where editors put [0, 0] if there is none, or as null."""
    if row is None:
        return (None, None, 0)
    if not isinstance(row, list | tuple) or len(row) not in (2, 3):
        raise PoseError(f"Key points, {where}: a point must be [x, y] or [x, y, confidence], got {short(row)}.")
    return tuple(row) if len(row) == 3 else (*row, 0 if list(row) == [0, 0] else 1)


def _yolo_rows(columns: dict, where: str) -> list[tuple]:
    lists = [columns.get(key) for key in ("x", "y", "visible")]
    lengths = {len(column) if isinstance(column, list) else -1 for column in lists}
    if len(lengths) > 1 or lengths == {-1}:
        raise PoseError(f"Key points, {where}: must hold lists 'x', 'y' and 'visible' of one length.")
    return list(zip(*lists, strict=True))


def _check_points(count: float, where: str) -> None:
    if count not in LAYOUTS:
        counts = ", ".join(map(str, LAYOUTS))
        raise PoseError(
            f"Key points, {where}: holds {count:g} points. Wanted are 18 (54 numbers: x, y, confidence each) in "
            f"OpenPose's order, or as many as another tool gives: {counts}."
        )


def check_number(values: Collection, most: int, what: str, where: str) -> None:
    """Raises PoseError where there are more than `most`."""
    if len(values) > most:
        raise PoseError(f"Key points, {where}: {len(values)} {what}; more than {most} are not read. Give a part.")


def _numbers(values: object, counts: tuple[int, ...], where: str) -> np.ndarray:
    """A list of as many numbers as one of `counts` -> (count,) float64; null becomes NaN."""
    if not isinstance(values, list | tuple) or len(values) not in counts:
        wanted = " or ".join(map(str, counts))
        got = f"{len(values)} of them" if isinstance(values, list | tuple) else short(values)
        raise PoseError(f"Key points, {where}: must be a list of {wanted} numbers, got {got}.")
    return np.array(
        [
            np.nan if value is None else _number(value, f"{where}, number {position}")
            for position, value in enumerate(values, 1)
        ]
    )


def _number(value: object, where: str) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _LARGEST:  # type: ignore[arg-type]
        raise PoseError(f"Key points, {where}: must be a number between -1000000 and 1000000, got {short(value)}.")
    return float(value)  # type: ignore[arg-type]
