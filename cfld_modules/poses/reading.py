"""Reads key points in any dialect into poses: `read_pose_keypoints` from values, `parse_pose_json` from text.

The dialects are in `dialects`, a person's points in `bodies`, their order in `layouts`, their unit in `units`. What is
decided here, where they leave it open:

* The order of points without names is told by the bones. A tool writes everybody in the same one, so whose bones do not
  tell is read as the others in the file. Eighteen points under OpenPose's own key are in its order unless another fits
  clearly better; where both fit alike it takes OpenPose's arrays of face and hands beside them to be sure.
* The canvas size is always needed (OpenPose's own files lack it): guessing it would silently move the person.
* Of several people the one with `"chosen": true` is taken, as the pose editor marks it; else the one with the largest
  bounding box in the first frame, who is followed from there (see `choosing`). A frame in which nobody has a single
  point is an error, also where the array is there but empty: a detector that found nobody writes just that.
"""

import ast
import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PoseError, short
from .bodies import OPENPOSE_KEYS, Body, check_number
from .choosing import choose_person, choose_through_time
from .dialects import MOST_FRAMES, read_frames
from .frames import EXPECTED, Frame
from .keypoints import Pose
from .keypoints_3d import check_axes, parse_keypoints_3d
from .layouts import COCO_18, LAYOUTS, MIN_POINTS, Layout, fits, is_same_in_all_layouts, layout_of, to_coco18
from .units import check_pose, in_pixels

CHOSEN_KEY = "chosen"
"""Of a person in a frame of several: this one is CFLD's."""

LONGEST_PYTHON_VALUE = 1_000_000
"""Characters of a value as print shows it: to read one takes 270 bytes of memory for each."""

_KEYS_BESIDE_THE_BODY = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "foot_keypoints_2d")

MIN_POINTS_AGAINST_THE_KEYS = 15
"""Fewer of the eighteen fit another order by chance too often to believe it where all keys are OpenPose's."""


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody in a frame.

    flat: the person in the picture, without the third dimension.
    body: the person as written, in the order `layout`, which is None where nobody knows it: then `flat` is a guess.
    """

    flat: Pose
    body: Body
    layout: Layout | None

    def pose(self) -> Pose:
        """With the third dimension where it is written. Raises PoseError where anything of it cannot be right."""
        where, count = self.body.where, len(self.body.points)
        if self.layout is None:
            raise PoseError(
                f"Key points, {where}: the order of these {count} points is not clear; in none that tools use "
                "(BODY_25, COCO's 17, the 18 of COCO order and toes, neck last) are they surely a person. Leave only "
                "the 18: nose, neck, right arm, left arm, right leg, left leg, eyes, ears (54 numbers), with an empty "
                "'face_keypoints_2d' beside them, or name the points in 'keypoint_names'."
            )
        check_pose(self.flat, where.rpartition(", person")[0] or where)
        space = parse_keypoints_3d(self.body.space, count, where := where.rpartition(", ")[0])
        if space is None:
            return self.flat
        pose = replace(self.flat, keypoints_3d=to_coco18(space, self.layout))
        check_axes(pose, where)
        return pose


def read_pose_keypoints(value: object, canvas: tuple[int, int] | None = None, is_ours: bool = False) -> list[Pose]:
    """POSE_KEYPOINT in any dialect, or its text -> for each frame the person who is chosen in it, else see the module.

    Args:
        canvas: (width, height) of the picture, for frames without a size of their own.
        is_ours: drawn in the pose editor or saved by it, so that eighteen points that may be in several orders are in
            OpenPose's.

    Raises PoseError where there is no frame, a frame shows nobody, or anything in it is not what it should be.
    """
    return [chosen.pose() for _, chosen in read_chosen(value, canvas, is_ours)]


def read_chosen(
    value: object, canvas: tuple[int, int] | None = None, is_ours: bool = False
) -> list[tuple[list[Person], Person]]:
    """As `read_pose_keypoints`, for each frame everybody in it, and among them the one who is chosen."""
    frames = _read(value, canvas, is_ours)
    for frame, people in frames:
        if not any(person.flat.visible.any() for person in people):
            problem = f"of {len(people)} found in it, nobody has a single sure point" if people else "nobody is in it"
            raise PoseError(
                f"Key points, {frame.where}: {problem}. If a detector made it, look at the detector's own picture: "
                "it may need another model or a picture in which the person is larger; else leave this frame out."
            )
    indices = choose_through_time([[person.flat for person in people] for _, people in frames], "largest")
    return [(people, _taken(frame, people, index)) for (frame, people), index in zip(frames, indices, strict=True)]


def read_people(value: object, canvas: tuple[int, int] | None = None) -> list[list[Person]]:
    """As `read_pose_keypoints`, but everybody in each frame. Somebody may have no point visible, and a frame nobody."""
    return [people for _, people in _read(value, canvas)]


def parse_pose_json(text: str | bytes, canvas: tuple[int, int] | None = None, is_ours: bool = False) -> list[Pose]:
    """JSON text, or the bytes of a file in UTF-8 or UTF-16 -> as `read_pose_keypoints`, or PoseError."""
    return read_pose_keypoints(parse(text), canvas, is_ours)


def parse(text: str | bytes) -> object:
    """A JSON value, one a line, or a Python value as print shows it and as the host passes on an object for a text."""
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
            return _lines(text)
        except (ValueError, RecursionError):
            pass
        try:
            return _parse_python_value(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise PoseError(f"The pose is not valid JSON: {error}, in {short(text)}. {EXPECTED}") from error


def _parse_python_value(text: str) -> object:
    if len(text) > LONGEST_PYTHON_VALUE:
        raise ValueError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the user's backslashes
        return ast.literal_eval(text)


def _lines(text: str) -> list:
    """JSON lines, a frame each, as video tools write them."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith(("{", "[")) for line in lines):
        raise ValueError("not a value a line")
    return [json.loads(line) for line in lines]


def _read(
    value: object, canvas: tuple[int, int] | None = None, is_ours: bool = False
) -> list[tuple[Frame, list[Person]]]:
    frames: list[Frame] = []
    for frame in read_frames(parse(value) if isinstance(value, str | bytes) else value, canvas):
        frames.append(frame)
        check_number(frames, MOST_FRAMES, "frames", "all together")
    if not frames:
        raise PoseError(f"Key points hold no frame: the list is empty. {EXPECTED}")
    layouts = {body: _layout(body, is_ours) for frame in frames for body in frame.people}
    shared = _layouts_of_all(layouts)
    return [
        (frame, [_person(body, layouts[body] or shared.get(len(body.points)), frame.canvas) for body in frame.people])
        for frame in frames
    ]


def _layout(body: Body, is_ours: bool) -> Layout | None:
    """The order of the points; None where this body does not tell."""
    if body.names or len(body.points) not in LAYOUTS:
        return body.names
    if len(body.points) == len(COCO_18) and any(key in body.written for key in OPENPOSE_KEYS):
        face = body.written.get("face_keypoints_2d")
        if isinstance(face, list) and face and not any(face):
            return COCO_18  # as `write_pose_keypoints` writes; spares asking the bones
        is_sure = is_ours or any(key in body.written for key in _KEYS_BESIDE_THE_BODY)
        if is_sure and np.isfinite(body.points).all(axis=1).sum() < MIN_POINTS_AGAINST_THE_KEYS:
            return COCO_18
        layout = layout_of(body.points)
        if layout is None and (is_sure or not any(fits(body.points, order) for order in LAYOUTS[len(COCO_18)])):
            return COCO_18  # of nobody's bones the key alone tells
        return layout
    return layout_of(body.points)


def _layouts_of_all(bodies: Mapping[Body, Layout | None]) -> dict[int, Layout]:
    """By number of points, the order of the bodies that tell theirs: a tool writes everybody in the same one."""
    layouts_by_count: dict[int, set[Layout]] = {}
    for body, layout in bodies.items():
        if layout and np.isfinite(body.points).all(axis=1).sum() >= MIN_POINTS:
            layouts_by_count.setdefault(len(body.points), set()).add(layout)
    return {count: layouts.pop() for count, layouts in layouts_by_count.items() if len(layouts) == 1}


def _person(body: Body, layout: Layout | None, canvas: tuple[int, int]) -> Person:
    guess = layout or LAYOUTS[len(body.points)][0]
    points = in_pixels(to_coco18(body.points, guess), canvas, body.where)
    is_known = layout is not None or is_same_in_all_layouts(body.points)
    return Person(Pose(points, *canvas, person_id=body.person_id), body, guess if is_known else None)


def _taken(frame: Frame, people: list[Person], index: int | None) -> Person:
    """Who is marked as chosen, else whom `choose_through_time` followed here; who has left is followed by another."""
    for person in people:
        if person.body.written.get(CHOSEN_KEY) is True and person.flat.visible.any():
            return person
    if index is None:
        logging.getLogger("cfld").warning(
            f"Key points, {frame.where}: the person of the frames before is not among its numbers; the largest is taken"
        )
        index = choose_person([person.flat for person in people], "largest")
    return people[index or 0]
