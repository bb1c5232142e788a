"""Key points in whatever dialect -> poses: `read_pose_keypoints` for values, `parse_pose_json` for text and files.

The dialects are in `dialects`. What is decided where they leave it open:

* Units are decided for each body alone: 0-1 if no coordinate exceeds `NORMALISED_REACH` in absolute value, pixels
  otherwise. Points outside the canvas are normal in both units, and a skeleton in pixels that fits into so few pixels
  of the top left corner is of no use to anybody.
* The canvas size is always needed (OpenPose's own files lack it): guessing it would silently move the person. It is
  checked: a person who is mostly outside was found in a picture of another size. But a close-up, with head and
  shoulders in the picture, may have any number of joints below it.
* Of several people the one with `"chosen": true` is taken, as the pose editor marks it, else the one with the largest
  bounding box. A frame in which nobody has a single point is an
  error, also where the array is there but empty: a detector that found nobody writes just that.
"""

import ast
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PoseError, short
from .body_layouts import COCO_18, Layout, to_coco18, to_coco18_if_unambiguous
from .dialects import EXPECTED, MOST_FRAMES, Body, Frame, check_number, read_frames
from .keypoints import KEYPOINTS_3D, Pose, box_area
from .keypoints_3d import check_axes, parse_keypoints_3d

CHOSEN_KEY = "chosen"
"""Of a person in a frame of several: this one is CFLD's."""

NORMALISED_REACH = 4.0
_HEAD_AND_SHOULDERS = [0, 1, 2, 5, 14, 15, 16, 17]
_MOST_NEGATIVE = 1 / 3  # of a person's points in shares of the canvas


def read_pose_keypoints(value: object) -> list[Pose]:
    """POSE_KEYPOINT in any dialect, or its text -> for each frame the person who is chosen in it, else the largest.

    Raises PoseError where there is no frame, a frame shows nobody, or anything in it is not what it should be.
    """
    return [_chosen(frame, people) for frame, people in _read(value)]


def read_people(value: object) -> list[list["Person"]]:
    """As `read_pose_keypoints`, but everybody in each frame. Somebody may have no point visible, and a frame nobody."""
    return [people for _, people in _read(value)]


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody in a frame.

    flat: the person in the picture, without the third dimension.
    body: the person as written, in the order `layout`.
    """

    flat: Pose
    body: Body
    layout: Layout

    def pose(self) -> Pose:
        """With the third dimension where it is written. Raises PoseError where that cannot be right."""
        where = self.body.where.rpartition(", ")[0]
        space = parse_keypoints_3d(self.body.written.get(KEYPOINTS_3D), len(self.body.points), where)
        if space is None:
            return self.flat
        pose = replace(self.flat, keypoints_3d=to_coco18(space, self.layout))
        check_axes(pose, where)
        return pose


def _read(value: object) -> list[tuple[Frame, list[Person]]]:
    frames: list[Frame] = []
    for frame in read_frames(parse(value) if isinstance(value, str | bytes) else value):
        frames.append(frame)
        check_number(frames, MOST_FRAMES, "frames", "all together")
    if not frames:
        raise PoseError(f"Key points hold no frame: the list is empty. {EXPECTED}")
    layouts = _layouts_of(body for frame in frames for body in frame.people)
    return [(frame, [_person(body, frame.canvas, layouts) for body in frame.people]) for frame in frames]


def parse_pose_json(text: str | bytes) -> list[Pose]:
    """JSON text, or the bytes of a file in UTF-8 or UTF-16 -> as `read_pose_keypoints`.

    Whatever the text, it is read or PoseError is raised.
    """
    return read_pose_keypoints(parse(text))


def parse(text: str | bytes) -> object:
    """A JSON value, or a Python value as print shows it and as the host passes on an object given for a text."""
    try:
        text = text.decode(json.detect_encoding(text)) if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise PoseError(f"The pose is no text in UTF-8 or UTF-16 ({error.reason}). {EXPECTED}") from error
    text = text.removeprefix("\ufeff").strip()
    try:
        return json.loads(text)
    except RecursionError as error:
        raise PoseError(f"The pose is not valid JSON: it is nested too deeply, in {short(text)}. {EXPECTED}") from error
    except ValueError as error:  # bad JSON, or an integer of too many digits
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # of the user's backslashes
                return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise PoseError(f"The pose is not valid JSON: {error}, in {short(text)}. {EXPECTED}") from error


def _layouts_of(bodies: Iterable[Body]) -> dict[int, Layout]:
    """By number of points, the order of the bodies that tell theirs: a tool writes everybody in the same one."""
    told: dict[int, set[Layout]] = {}
    for body in bodies:
        if body.layout:
            told.setdefault(len(body.points), set()).add(body.layout)
    return {count: layouts.pop() for count, layouts in told.items() if len(layouts) == 1}


def _person(body: Body, canvas: tuple[int, int], layouts: Mapping[int, Layout]) -> Person:
    count = len(body.points)
    layout = body.layout or layouts.get(count)
    points = to_coco18(body.points, layout) if layout else to_coco18_if_unambiguous(body.points)
    if points is None:
        raise PoseError(
            f"Key points, {body.where}: the order of these {count} points is not clear; in none that tools use "
            "(BODY_25, COCO's 17, the 18 of COCO order and toes) are they surely a person. Leave only the 18: nose, "
            "neck, right arm, left arm, right leg, left leg, eyes, ears (54 numbers)."
        )
    if np.nanmax(np.abs(points), initial=0.0) <= NORMALISED_REACH:
        _check_shares(points, body.where)
        points = points * canvas
    return Person(Pose(points, *canvas), body, layout or COCO_18)


def _check_shares(points: np.ndarray, where: str) -> None:
    present = points[~np.isnan(points).any(axis=1)]
    if (np.abs(present) <= 1).all() and (present < 0).any(axis=1).sum() > _MOST_NEGATIVE * len(present):
        raise PoseError(
            f"Key points, {where}: coordinates run from {present.min():.2g} to {present.max():.2g}, so they seem to "
            "be from -1 to 1. Give pixels, or shares of the canvas from 0 to 1: (coordinate + 1) / 2."
        )


def _chosen(frame: Frame, people: list[Person]) -> Pose:
    there = [person for person in people if person.flat.visible.any()]
    if not there:
        found = f"of {len(people)} found in it, nobody has a single sure point" if people else "nobody is in it"
        raise PoseError(
            f"Key points, {frame.where}: {found}. If a detector made it, look at the detector's own picture: "
            "it may need another model or a picture in which the person is larger; else leave this frame out."
        )
    marked = (person for person in there if person.body.written.get(CHOSEN_KEY) is True)
    person = next(marked, None) or max(there, key=lambda person: box_area(person.flat))
    _check_place(person.flat, frame.where)
    return person.pose()


def _check_place(pose: Pose, where: str) -> None:
    inside = np.all((pose.points >= 0) & (pose.points <= (pose.width, pose.height)), axis=1)
    head = pose.visible[_HEAD_AND_SHOULDERS]
    is_close_up = 2 * head.sum() >= len(head) and not (head & ~inside[_HEAD_AND_SHOULDERS]).any()
    if 2 * inside.sum() < pose.visible.sum() and not is_close_up:
        (left, top), (right, bottom) = np.nanmin(pose.points, axis=0), np.nanmax(pose.points, axis=0)
        raise PoseError(
            f"Key points, {where}: {(pose.visible & ~inside).sum()} of the person's {pose.visible.sum()} points lie "
            f"outside the canvas of {pose.width}x{pose.height} (x {left:g} to {right:g}, y {top:g} to {bottom:g}). "
            "canvas_width and canvas_height must be the size in pixels of the picture the pose was taken from."
        )
