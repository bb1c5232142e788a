"""Body key points: the one form used inside the pack, read from every POSE_KEYPOINT dialect and written back.

A dialect is what some tool writes. All of these are read:

=====================================  ==================================================================
controlnet_aux DWPose                  pixels, confidence 1 or 0, body array null when there is no body
controlnet_aux OpenPose                0-1 of the canvas, confidence 1 or 0
core SDPose Keypoint Extractor         pixels, real scores, (-1, -1) where it failed, extra foot array
OpenPose (CMU), BODY_25                75 numbers, pixels or 0-1, real scores; mid hip and feet are dropped
the annotations of the authors         ``{"keypoints_y": [18], "keypoints_x": [18]}`` in a 176x256 frame
                                       (width x height), missing where either coordinate is -1
=====================================  ==================================================================

A frame may come alone instead of in a list. What is decided where the dialects leave it open:

* Units are decided for each body array alone: 0-1 if no present coordinate exceeds `NORMALISED_REACH` in absolute
  value, pixels otherwise. Points outside the canvas are normal in both units, and a skeleton in pixels that fits
  into so few pixels of the top left corner is of no use to anybody.
* The canvas size is always needed (OpenPose's own files lack it): guessing it would silently move the person.
* A point is missing where its confidence is 0 or anything of it is null. Where scores are real, that is where an
  array has any other than 0 and 1, it is also missing below `SCORE_THRESHOLD` (as core's drawing node has it) and at
  exactly (-1, -1).
* Of several people the one with the largest bounding box is taken. A frame in which nobody has a single point is an
  error, also where the array is there but empty: a detector that found nobody writes just that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from reprlib import repr as short

import numpy as np

JOINT_NAMES = (
    "nose", "neck",
    "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
"""The 18 points in OpenPose COCO order. Right is the person's right: at smaller x in a front view."""

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""The 17 bones as index pairs, in the order in which they are drawn (docs/method.md, section 6)."""

MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""Left and right swapped: joint ``i`` of a mirrored person is joint ``MIRROR[i]`` of the person."""

NORMALISED_REACH = 4.0
SCORE_THRESHOLD = 0.3

_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # 8 is the mid hip, 19-24 are the feet
_ANNOTATION_CANVAS = (176, 256)
_LARGEST = 1e6  # nothing further out can be drawn; also what NaN and infinity fail
_FACE_NUMBERS, _HAND_NUMBERS = 70 * 3, 21 * 3


class PoseError(ValueError):
    """Key points that cannot be read. Says what was found, where (frame, person, array) and what to do about it."""


@dataclass(frozen=True, eq=False)
class Pose:
    """One person on a canvas.

    points: (18, 2) float64, (x, y) in canvas pixels, OpenPose COCO order; (NaN, NaN) where missing. May lie outside.
    width, height: the canvas in pixels, at least 1.
    """

    points: np.ndarray
    width: int
    height: int

    @property
    def visible(self) -> np.ndarray:
        """(18,) bool: which points are there."""
        return ~np.isnan(self.points).any(axis=1)


def read_pose_keypoints(value: object) -> list[Pose]:
    """POSE_KEYPOINT in any dialect (see the module) -> for each frame the largest person in it.

    Raises PoseError where there is no frame, a frame shows nobody, or anything in it is not what it should be.
    """
    frames = [value] if isinstance(value, dict) else value
    if not isinstance(frames, list | tuple):
        raise PoseError(f"Key points must be a frame or a list of frames, got {short(value)}. {_EXPECTED}")
    if not frames:
        raise PoseError(f"Key points hold no frame: the list is empty. {_EXPECTED}")
    return [_read_frame(frame, f"frame {number}") for number, frame in enumerate(frames, 1)]


def parse_pose_json(text: str) -> list[Pose]:
    """JSON text -> as `read_pose_keypoints`. Whatever the text, it is read or PoseError is raised."""
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON, or an integer of too many digits
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PoseError(f"The pose is not valid JSON: {reason}, in {short(text)}. {_EXPECTED}") from error
    return read_pose_keypoints(value)


def write_pose_keypoints(poses: Sequence[Pose]) -> list[dict]:
    """Poses -> POSE_KEYPOINT, one frame of one person each: pixels, confidence 1, or 0, 0, 0 where missing.

    Face and hands are arrays of zeros: controlnet_aux and core's drawing node read them, the latter at full length.
    Reading it back gives the same points, unless none is visible or all lie within a few pixels of the corner
    (`NORMALISED_REACH`).
    """
    return [_write_frame(pose) for pose in poses]


def mirror(pose: Pose) -> Pose:
    """The pose as in a mirror: left and right swapped, x flipped as flipping the picture flips its pixel columns."""
    points = pose.points[list(MIRROR)]
    points[:, 0] = pose.width - 1 - points[:, 0]
    return Pose(points, pose.width, pose.height)


_EXPECTED = (
    'Expected OpenPose JSON: [{"canvas_width": 352, "canvas_height": 512, '
    '"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}].'
)


def _read_frame(frame: object, where: str) -> Pose:
    if not isinstance(frame, dict):
        raise PoseError(f"Key points, {where}: must be an object, got {short(frame)}. {_EXPECTED}")
    if "keypoints_y" in frame and "keypoints_x" in frame:
        return _read_annotation(frame, where)
    if "people" not in frame:
        keys = ", ".join(short(key) for key in list(frame)[:8]) or "none"
        raise PoseError(f"Key points, {where}: has no 'people' (its keys: {keys}). {_EXPECTED}")
    width, height = (_read_canvas(frame, key, where) for key in ("canvas_width", "canvas_height"))
    people = [] if frame["people"] is None else frame["people"]
    if not isinstance(people, list | tuple):
        raise PoseError(f"Key points, {where}: 'people' must be a list, got {short(people)}. {_EXPECTED}")
    poses = [
        Pose(_read_body(person, width, height, f"{where}, person {number}"), width, height)
        for number, person in enumerate(people, 1)
    ]
    return _largest(poses, where)


def _read_canvas(frame: dict, key: str, where: str) -> int:
    if frame.get(key) is None:
        raise PoseError(
            f"Key points, {where}: no {key}, so nobody knows where in the picture the points are. "
            "Add canvas_width and canvas_height, the size in pixels of the picture the pose was taken from."
        )
    size = _number(frame[key], f"{where}, {key}")
    if size < 1 or size != int(size):
        raise PoseError(f"Key points, {where}: {key} must be a whole number of at least 1, got {short(frame[key])}.")
    return int(size)


def _read_body(person: object, width: int, height: int, where: str) -> np.ndarray:
    """One entry of 'people' -> points (18, 2) in pixels."""
    if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
        raise PoseError(f"Key points, {where}: must be an object with 'pose_keypoints_2d', got {short(person)}.")
    values = person["pose_keypoints_2d"]
    if values is None or (isinstance(values, list) and not values):
        return np.full((18, 2), np.nan)
    rows = _numbers(values, (54, 75), f"{where}, pose_keypoints_2d").reshape(-1, 3)
    scores = rows[:, 2]
    scores_are_real = not np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all()
    missing = np.isnan(rows).any(axis=1) | (scores <= 0)
    if scores_are_real:
        missing |= (scores < SCORE_THRESHOLD) | (rows[:, :2] == -1).all(axis=1)
    points = np.where(missing[:, None], np.nan, rows[:, :2])
    if len(points) == 25:
        points = points[list(_BODY_25)]
    if np.nanmax(np.abs(points), initial=0.0) <= NORMALISED_REACH:
        points = points * (width, height)
    return points


def _read_annotation(frame: dict, where: str) -> Pose:
    y, x = (_numbers(frame[key], (18,), f"{where}, {key}") for key in ("keypoints_y", "keypoints_x"))
    points = np.stack([x, y], axis=1)
    points[((points == -1) | np.isnan(points)).any(axis=1)] = np.nan
    return _largest([Pose(points, *_ANNOTATION_CANVAS)], where)


def _largest(poses: list[Pose], where: str) -> Pose:
    people = [pose for pose in poses if pose.visible.any()]
    if not people:
        found = "nobody is in it" if not poses else f"of {len(poses)} found in it, nobody has a single sure point"
        raise PoseError(
            f"Key points, {where}: {found}. If a detector made it, look at the detector's own picture: "
            "it may need another model or a picture in which the person is larger; else leave this frame out."
        )

    def box_area(pose: Pose) -> float:
        sides = np.nanmax(pose.points, axis=0) - np.nanmin(pose.points, axis=0)
        return float(np.prod(np.maximum(sides, 1.0)))  # at least a pixel wide: points may lie on one line

    return max(people, key=box_area)


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


def _write_frame(pose: Pose) -> dict:
    body: list[float] = []
    for (x, y), visible in zip(pose.points, pose.visible, strict=True):
        body += [float(x), float(y), 1.0] if visible else [0.0, 0.0, 0.0]
    person = {
        "pose_keypoints_2d": body,
        "face_keypoints_2d": [0.0] * _FACE_NUMBERS,
        "hand_left_keypoints_2d": [0.0] * _HAND_NUMBERS,
        "hand_right_keypoints_2d": [0.0] * _HAND_NUMBERS,
    }
    return {"people": [person], "canvas_width": pose.width, "canvas_height": pose.height}
