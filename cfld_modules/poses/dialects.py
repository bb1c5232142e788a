"""Dialects: the forms in which tools write key points as JSON, each read by one small function (`_DIALECTS`).

====================================  ==================================================================================
controlnet_aux DWPose, OpenPose       pixels or 0-1 of the canvas, confidence 1 or 0, body array null without a body
core SDPose Keypoint Extractor        pixels, real scores, (-1, -1) where it failed, `foot_keypoints_2d` for everybody
OpenPose (CMU)                        `pose_keypoints_2d`, `pose_keypoints` before version 1.2; `--write_coco_json`
older editors                         `keypoints`, a list of points [x, y] for each person; `width` and `height`
/controlnet/detect                    `poses` beside `images`
COCO annotations, CVAT, CrowdPose     `images`, `annotations`, and the points' names in `categories`
COCO results, AlphaPose, detectron2   a list of people with `image_id`; AlphaPose also as OpenPose writes
PoseFlow                              people by the name of the picture
MMPose, Sapiens                       `instance_info`, `instances`, names in `meta_info`
ultralytics                           a list of people with columns x, y, visible
TensorFlow.js, ml5, PoseNet           points as objects with names
MediaPipe                             `landmarks`, with `worldLandmarks` in metres
easy_ViTPose                          `keypoints` by track, y before x, names in `skeleton`
labelme, Label Studio                 a shape or a result a point, by name; the latter in percent
core's SAM 3D Body (MHR_POSE_DATA)    `pred_keypoints_2d` and `pred_keypoints_3d`, 70 points
the annotations of the authors        `keypoints_y` and `keypoints_x` of 18 each, -1 where missing, in a frame of
                                      176x256 (width x height) if no canvas is given
====================================  ==================================================================================

One frame, a list of frames or a collection of them by name. People in a flat list are those of one picture, or of
several told apart by what each says of its picture. What is in a person is read by `bodies`; what becomes of the
frames is in `reading`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import PoseError, short
from .bodies import BODY_KEYS, Body, check_number, is_named_person, number, numbers, read_body
from .frames import EXPECTED, MOST_PEOPLE, Context, Frame, canvas_of, identity, make_frame, numbers_first, objects
from .joint_names import layout_of_names
from .layouts import COCO_18, GOLIATH, LAYOUTS, Layout

# A file beyond these, or `MOST_PEOPLE`, is a mistake or an attack, and is refused before anything of it is read.
MOST_FRAMES, DEEPEST = 5_000, 6

_ANNOTATION_CANVAS = (176, 256)
_PICTURE_KEYS = (
    "image_id", "frame_id", "frame_index", "frame_idx", "frame_number", "frame", "image_name", "file_name", "filename",
    "image_path", "img_path", "img_name", "image", "img", "name", "timestamp",
)  # fmt: skip
_PICTURE_NAME = re.compile(r".*\.(jpe?g|png|webp|bmp|tiff?|gif|heic|avif)", re.IGNORECASE)
_SIGNS_OF_A_PERSON = (
    *_PICTURE_KEYS, "score", "scores", "keypoint_scores", "bbox", "box", "bbox_score", "class", "confidence",
    "category_id", "idx", "id", "track_id", "person_id", "keypoints3D", "pred_keypoints_3d",
)  # fmt: skip
_PEOPLE_KEYS = ("people", "instances", "persons", "bodies")
_NO_FRAMES = (
    "meta_info", "info", "meta", "metadata", "licenses", "categories", "skeleton", "images", "box", "bbox", "config",
    "settings", "parameters", "worldLandmarks", "keypoints3D", "segmentationMasks",
)  # fmt: skip


def read_frames(value: object, canvas: tuple[int, int] | None = None) -> Iterator[Frame]:
    """All frames of any dialect, or PoseError. canvas: of frames that have no size of their own."""
    size = dict(zip(("canvas_width", "canvas_height"), canvas, strict=True)) if canvas else {}
    return _read(value, Context(size), "", 0)


def _read(value: object, context: Context, where: str, depth: int) -> Iterator[Frame]:
    """where: empty at the top."""
    if depth > DEEPEST:
        raise PoseError(f"Key points, {where}: are nested too deeply. {EXPECTED}")
    if isinstance(value, list | tuple):
        if _are_people(value):
            check_number(value, MOST_PEOPLE, "people", where or "the list")
            yield from _read_people(value, context, where or "frame 1")
        elif _are_points(value):
            yield make_frame([{"landmarks": value}], context, where or "frame 1")
        else:
            check_number(value, MOST_FRAMES, "frames", where or "the list")
            yield from _read_parts([(f"frame {n}", part) for n, part in enumerate(value, 1)], context, depth)
    elif isinstance(value, dict):
        context = context.within(value)
        read = next((read for keys, read in _DIALECTS if keys <= value.keys()), None)
        if read:
            yield from read(value, context, where or "frame 1")
        elif is_named_person(value):
            yield make_frame([{"keypoints": value}], context, where or "frame 1")
        else:
            yield from _read_collection(value, context, where or "frame 1", depth)
    elif where:
        raise PoseError(f"Key points, {where}: must be an object, got {short(value)}. {EXPECTED}")
    else:
        raise PoseError(f"Key points must be a frame or a list of frames, got {short(value)}. {EXPECTED}")


def _read_collection(collection: dict, context: Context, where: str, depth: int) -> Iterator[Frame]:
    """Frames by name, or a file with its frames under some key."""
    parts = {name: part for name, part in collection.items() if isinstance(part, dict | list)}
    if len(parts) > 1:
        parts = {name: part for name, part in parts.items() if _may_hold_frames(name, part)} or parts
    if not parts:
        keys = ", ".join(short(key) for key in list(collection)[:8]) or "none"
        raise PoseError(f"Key points, {where}: has no 'people' (its keys: {keys}). {EXPECTED}")
    check_number(parts, MOST_FRAMES, "frames", where)
    names = sorted(parts, key=numbers_first)
    yield from _read_parts([(f"frame {short(name)}", parts[name]) for name in names], context, depth)


def _may_hold_frames(name: object, part: dict | list) -> bool:
    inner = part.values() if isinstance(part, dict) else part
    return name not in _NO_FRAMES and (not part or any(isinstance(one, dict | list) for one in inner))


def _read_parts(parts: list[tuple[str, Any]], context: Context, depth: int) -> Iterator[Frame]:
    """Frames one after another. Among lists of people an empty one is a frame that shows nobody."""
    has_people = any(isinstance(part, list | tuple) and _are_people(part) for _, part in parts)
    for where, part in parts:
        if has_people and part in ([], ()):
            yield make_frame([], context, where)
        else:
            yield from _read(part, context, where, depth + 1)


def _are_people(values: Sequence) -> bool:
    """Whether these are people rather than frames of one person each, which older editors write alike."""
    return bool(values) and all(
        isinstance(one, dict)
        and one.keys().isdisjoint((*_PEOPLE_KEYS, "annotations", "instance_info"))
        and any(key in one for key in BODY_KEYS)
        and (
            any(key in one for key in _SIGNS_OF_A_PERSON)
            or not isinstance(one.get("keypoints"), list)
            or any(isinstance(point, dict) for point in one["keypoints"])
        )
        for one in values
    )


def _are_points(values: Sequence) -> bool:
    return len(values) in LAYOUTS and all(isinstance(one, dict) and {"x", "y"} <= one.keys() for one in values)


def _read_people(people: Sequence[dict], context: Context, where: str) -> Iterator[Frame]:
    """A frame for each picture that they name, in the order of the pictures' numbers where these are numbers."""
    pictures: dict[str, list[dict]] = {}
    for person in people:
        pictures.setdefault(_picture_of(person), []).append(person)
    check_number(pictures, MOST_FRAMES, "frames", where)
    for picture in _in_order(pictures):
        bodies = pictures[picture]
        yield make_frame(bodies, context.within(bodies[0]), f"image {short(picture)}" if picture else where)


def _picture_of(person: Mapping) -> str:
    key = next((key for key in _PICTURE_KEYS if identity(person.get(key)) and key != "name"), "name")
    name = identity(person.get(key))
    return name if key != "name" or _PICTURE_NAME.fullmatch(name) else ""


def _in_order(names: Iterable[str]) -> list[str]:
    """By their numbers where they differ in these alone, else as they are."""
    names = list(names)
    if len({re.sub("[0-9]+", "", name) for name in names}) != 1:
        return names
    return sorted(names, key=lambda name: [int(part) for part in re.findall("[0-9]{1,18}", name)])


# What the tools write: (the object, what is around it, where it is) -> frames.


def _read_openpose(frame: dict, context: Context, where: str) -> Iterator[Frame]:
    yield make_frame(next(frame[key] for key in _PEOPLE_KEYS if key in frame), context, where)


def _read_editor(frame: dict, context: Context, where: str) -> Iterator[Frame]:
    """`keypoints` of one person, or a list of them for several."""
    people = frame["keypoints"]
    is_several = isinstance(people, list) and any(
        isinstance(point, list) for person in people if isinstance(person, list) for point in person
    )
    yield make_frame([{"keypoints": person} for person in people] if is_several else [frame], context, where)


def _read_coco(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """One frame for each picture in which somebody is annotated; whatever else is annotated there is passed over."""
    annotations = objects(file, "annotations", where)
    if any("result" in annotation for annotation in annotations):
        yield from _read_label_studio(annotations, context, where)
        return
    images = {identity(image.get("id")): image for image in objects(file, "images", where)}
    check_number({identity(one.get("image_id")) for one in annotations}, MOST_FRAMES, "frames", where)
    categories = _categories(file, where)
    pictures: dict[str, list[tuple[dict, Layout | None]]] = {}
    for annotation in annotations:
        names = categories.get(identity(annotation.get("category_id"))) if categories else ()
        if names is not None and isinstance(annotation.get("keypoints"), list | dict) and any(annotation["keypoints"]):
            attributes = annotation["attributes"] if isinstance(annotation.get("attributes"), dict) else {}
            person = {key: value for key, value in annotation.items() if key != "id"}  # of the annotation
            pictures.setdefault(identity(annotation.get("image_id")), []).append((attributes | person, names or None))
    if annotations and not pictures:
        raise PoseError(f"Key points, {where}: nobody is in it; none of its annotations has a person's key points.")
    places = {image: place for place, image in enumerate(images)}
    for image in sorted(pictures, key=lambda image: places.get(image, len(places))):
        image_context, where = context.within(images.get(image, {})), f"image {short(image)}"
        bodies = [
            read_body(person, f"{where}, person {number}", names or image_context.names, image_context.tool)
            for number, (person, names) in enumerate(pictures[image], 1)
        ]
        yield Frame(where, canvas_of(image_context, where), [body for body in bodies if body is not None])


def _categories(file: dict, where: str) -> dict[str, Layout | tuple[()]]:
    """The points' names by category, empty where they are not told; categories that are no people are left out."""
    categories = objects(file, "categories", where)
    layouts: dict[str, Layout | tuple[()]] = {}
    for category in categories:
        names, number = category.get("keypoints"), identity(category.get("id"))
        if not isinstance(names, list):
            if str(category.get("name")).lower() in ("person", "people", "human", "pedestrian") or len(categories) == 1:
                layouts[number] = ()
        elif layout := layout_of_names(names):
            layouts[number] = layout
        elif names and all(re.fullmatch(r"\d+", str(name)) for name in names):
            layouts[number] = ()
    if categories and not layouts:
        raise PoseError(
            f"Key points, {where}: no category is a person's; 'categories' must name the points: nose, left_eye, ..."
        )
    return layouts


def _read_label_studio(annotations: list[dict], context: Context, where: str) -> Iterator[Frame]:
    """A result a point, in percent of the picture."""
    for annotation in annotations:
        points: dict[str, list[float]] = {}
        size: Mapping = {}
        for result in objects(annotation, "result", where):
            value = result.get("value")
            if not isinstance(value, dict):
                continue
            labels = value.get("keypointlabels")
            if isinstance(labels, list) and labels:
                size = result
                points[str(labels[0])] = [number(value.get(axis), f"{where}, {labels[0]}") / 100 for axis in "xy"]
        yield make_frame([{"keypoints": points}], context.within(size), where)


def _read_mmpose(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """Frames with their instances, or, of one picture, the instances themselves."""
    frames = objects(file, "instance_info", where)
    if frames and not any("instances" in frame for frame in frames):
        yield make_frame(frames, context, where)
        return
    for position, frame in enumerate(frames, 1):
        yield make_frame(frame.get("instances"), context.within(frame), f"frame {position}")


def _read_mediapipe(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """A list of 33 points, or one a person."""
    key = next(key for key in ("landmarks", "poseLandmarks", "pose_landmarks", "landmark") if key in file)
    people, spaces = file[key], file.get("worldLandmarks", file.get("world_landmarks"))
    if not isinstance(people, list) or not all(isinstance(person, list) for person in people):
        people, spaces = [people], [spaces]
    spaces = spaces if isinstance(spaces, list) and len(spaces) == len(people) else [None] * len(people)
    yield _in_space(make_frame([{"landmarks": person} for person in people], context, where), spaces)


def _in_space(frame: Frame, spaces: Sequence) -> Frame:
    """With each person's third dimension."""
    return replace(frame, people=[replace(body, space=space) for body, space in zip(frame.people, spaces, strict=True)])


def _read_easy_vitpose(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """A person's points by the number of the track, each [y, x, score]."""
    for position, tracks in enumerate(file["keypoints"] if isinstance(file["keypoints"], list) else [], 1):
        where = f"frame {position}"
        if not isinstance(tracks, dict) or not all(isinstance(rows, list) for rows in tracks.values()):
            raise PoseError(f"Key points, {where}: must be people by the number of their track, as easy_ViTPose has.")
        people = [
            {"keypoints": [_swapped(row) for row in rows], **({"track_id": int(track)} if track.isdecimal() else {})}
            for track, rows in tracks.items()
        ]
        yield make_frame(people, context, where)


def _swapped(row: object) -> object:
    return [row[1], row[0], *row[2:]] if isinstance(row, list) and len(row) > 1 else row


def _read_labelme(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """A shape a point, its label the name, `group_id` the person."""
    people: dict[str, dict] = {}
    for shape in objects(file, "shapes", where):
        points = shape.get("points")
        if shape.get("shape_type", "point") == "point" and isinstance(points, list) and len(points) == 1:
            people.setdefault(identity(shape.get("group_id")), {})[str(shape.get("label"))] = points[0]
    yield make_frame([{"keypoints": points} for points in people.values()], context, where)


def _read_sam_3d_body(file: dict, context: Context, where: str) -> Iterator[Frame]:
    """Of a wire: arrays for each person; `image_size` is height and width; metres as ours but for their origin."""
    try:
        height, width = map(int, file["image_size"])
        frames = [
            [tuple(np.asarray(person[f"pred_keypoints_{d}d"], np.float64) for d in (2, 3)) for person in people]
            for people in file["frames"]
        ]
        is_right = all(flat.shape == (70, 2) and space.shape == (70, 3) for people in frames for flat, space in people)
    except (KeyError, TypeError, ValueError, OverflowError):
        is_right = False
    if not is_right:
        raise PoseError(
            f"Key points, {where}: 'frames' must be lists of people, each with pred_keypoints_2d (70, 2) and "
            "pred_keypoints_3d (70, 3), and 'image_size' height and width, as Predict SAM3D Body gives them."
        )
    context = replace(context, size={"canvas_width": width, "canvas_height": height}, names=GOLIATH)
    for position, people in enumerate(frames, 1):
        frame = make_frame([{"pred_keypoints_2d": flat.tolist()} for flat, _ in people], context, f"frame {position}")
        yield _in_space(frame, [space.tolist() for _, space in people])


def _read_annotation(frame: dict, context: Context, where: str) -> Iterator[Frame]:
    points = np.stack([_eighteen_numbers(frame, key, where) for key in ("keypoints_x", "keypoints_y")], axis=1)
    points[((points == -1) | np.isnan(points)).any(axis=1)] = np.nan
    canvas = _ANNOTATION_CANVAS
    if context.size:
        canvas = canvas_of(context, where)
    elif (points > canvas).any():
        right, bottom = np.nanmax(points, axis=0)
        raise PoseError(
            f"Key points, {where}: keypoints_x and keypoints_y reach x {right:g} and y {bottom:g}, but without a size "
            "of their own they are on a frame of 176x256. Add canvas_width and canvas_height, the size of the picture."
        )
    yield Frame(where, canvas, [Body(where, points, COCO_18, frame)])


def _eighteen_numbers(frame: dict, key: str, where: str) -> np.ndarray:
    values = frame[key]
    if not isinstance(values, list | tuple) or len(values) != 18:
        actual = f"{len(values)} of them" if isinstance(values, list | tuple) else short(values)
        raise PoseError(f"Key points, {where}, {key}: must be a list of 18 numbers, got {actual}.")
    return numbers(values, f"{where}, {key}")


def _read_animals(frame: dict, context: Context, where: str) -> Iterator[Frame]:
    raise PoseError(
        f"Key points, {where}: these are animals', of an animal pose estimator; CFLD needs the key points of a person."
    )


_DIALECTS: tuple[tuple[set[str], Callable[[dict, Context, str], Iterator[Frame]]], ...] = (
    *(({key}, _read_openpose) for key in _PEOPLE_KEYS),
    ({"keypoints_y", "keypoints_x"}, _read_annotation),
    ({"annotations"}, _read_coco),
    ({"instance_info"}, _read_mmpose),
    ({"frames", "image_size", "faces"}, _read_sam_3d_body),
    ({"shapes"}, _read_labelme),
    *(({key}, _read_mediapipe) for key in ("landmarks", "poseLandmarks", "pose_landmarks", "landmark")),
    ({"keypoints", "skeleton"}, _read_easy_vitpose),
    ({"keypoints"}, _read_editor),
    ({"animals"}, _read_animals),
)
"""The keys by which a dialect is known, and what reads it."""
