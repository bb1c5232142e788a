"""The people of one frame, and what its file says of it: the canvas, the order of the points, the tool."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import PoseError, short
from .bodies import Body, check_number, number, read_body
from .joint_names import layout_of_names
from .layouts import DATA_SETS, Layout

MOST_PEOPLE = 10_000

_SIZE_KEYS = (
    ("canvas_width", "canvas_height"), ("width", "height"), ("image_width", "image_height"),
    ("imageWidth", "imageHeight"), ("img_width", "img_height"), ("frame_width", "frame_height"),
    ("video_width", "video_height"), ("original_width", "original_height"),
)  # fmt: skip
_SIZES = ("image_size", "imageSize", "img_size", "size", "dimensions", "resolution")

EXPECTED = (
    'Expected OpenPose JSON: [{"canvas_width": 352, "canvas_height": 512, '
    '"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}].'
)


@dataclass(frozen=True)
class Frame:
    where: str
    canvas: tuple[int, int]
    people: list[Body]


@dataclass(frozen=True)
class Context:
    """What the values around a frame say of it.

    size: the nearest object with a size of the canvas.
    names: the order of the points that the file tells.
    tool: which one wrote it.
    """

    size: Mapping
    names: Layout | None = None
    tool: str = ""

    def within(self, value: Mapping) -> "Context":
        of_a_box = ("width", "height") if {"x", "y"} <= value.keys() else ()
        keys = [key for pair in _SIZE_KEYS for key in pair if key not in of_a_box]
        has_size = any(value.get(key) is not None for key in keys) or _size_pair(value)
        tool = value.get("version")
        return replace(
            self, size=value if has_size else self.size, names=_names_in(value) or self.names,
            tool=tool if isinstance(tool, str) else self.tool,
        )


def objects(file: Mapping, key: str, where: str) -> list[dict]:
    objects = [] if file.get(key) is None else file[key]
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise PoseError(f"Key points, {where}: '{key}' must be a list of objects, got {short(objects)}.")
    return objects


def make_frame(people: object, context: Context, where: str) -> Frame:
    """Everybody who has a body array; hands and faces alone are passed over."""
    canvas = canvas_of(context, where)
    people = [] if people is None else people
    if not isinstance(people, list | tuple):
        raise PoseError(f"Key points, {where}: 'people' must be a list, got {short(people)}. {EXPECTED}")
    check_number(people, MOST_PEOPLE, "people", where)
    bodies = (
        read_body(person, f"{where}, person {position}", context.names, context.tool)
        for position, person in enumerate(people, 1)
    )
    return Frame(where, canvas, [body for body in bodies if body is not None])


def _names_in(value: Mapping) -> Layout | None:
    """The order that a file tells: `meta_info` of MMPose, `skeleton` of easy_ViTPose, `keypoint_names`."""
    meta = value["meta_info"] if isinstance(value.get("meta_info"), dict) else value
    joint_names = next((meta[key] for key in ("keypoint_id2name", "keypoint_names", "skeleton") if meta.get(key)), None)
    if isinstance(joint_names, dict):
        joint_names = [joint_names[key] for key in sorted(joint_names, key=numbers_first)]
    if isinstance(joint_names, list) and (layout := layout_of_names(joint_names)):
        return layout
    data_set = meta.get("dataset_name")
    return DATA_SETS.get(re.sub("[^a-z0-9]", "", data_set.lower())) if isinstance(data_set, str) else None


def _size_pair(value: Mapping) -> tuple | None:
    """(width, height) where they stand together."""
    sizes = (value[key] for key in _SIZES if value.get(key) is not None)
    for size in sizes:
        if isinstance(size, dict) and {"width", "height"} <= size.keys():
            return size["width"], size["height"]
        if isinstance(size, list | tuple) and len(size) == 2:
            return tuple(size)
    return None


def canvas_of(context: Context, where: str) -> tuple[int, int]:
    size = context.size
    keys = next((keys for keys in _SIZE_KEYS if any(size.get(key) is not None for key in keys)), None)
    sides = _size_pair(size) if keys is None else None
    if sides:
        keys, size = _SIZE_KEYS[0], dict(zip(_SIZE_KEYS[0], sides, strict=True))
    width, height = (_side(size, key, where) for key in keys or _SIZE_KEYS[0])
    return width, height


def _side(size: Mapping, key: str, where: str) -> int:
    if size.get(key) is None:
        raise PoseError(
            f"Key points, {where}: no {key}, so nobody knows where in the picture the points are. "
            "Add canvas_width and canvas_height, the size in pixels of the picture the pose was taken from."
        )
    side = number(size[key], f"{where}, {key}")
    if side < 1 or side != int(side):
        raise PoseError(f"Key points, {where}: {key} must be a whole number of at least 1, got {short(size[key])}.")
    return int(side)


def identity(value: object) -> str:
    """What tells a picture, a number or a text; whatever else stands there tells nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return ""


def numbers_first(name: object) -> float:
    """Frames named by numbers are in that order and come first, as JavaScript's objects have them."""
    is_number = isinstance(name, str) and re.fullmatch("0|[1-9][0-9]{0,9}", name) and int(name) < 2**32 - 1
    return int(name) if is_number else math.inf  # type: ignore[call-overload]
