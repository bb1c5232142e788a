"""Key points: any document of any dialect, and any file, is read into poses that hold together, or refused in words."""

import json
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.reading import parse_pose_json
from tests.fuzz.mutations import CHANGES, SCALARS, changed_bytes, changed_documents
from tests.fuzz.target import Target

CASES = json.loads((Path(__file__).parents[1] / "data" / "keypoint_cases.json").read_text())["cases"]
SIZE = {"canvas_width": 352, "canvas_height": 512}
COCO_CASE = next(case["value"] for case in CASES if case["name"].startswith("COCO annotation"))
COCO = COCO_CASE["annotations"][0]["keypoints"]
ROWS = [COCO[place : place + 3] for place in range(0, 51, 3)]
NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
OBJECTS = [{"x": x, "y": y, "score": v / 2, "name": name} for (x, y, v), name in zip(ROWS, NAMES, strict=True)]


def _in_space() -> list[dict]:
    """A frame of a person whose points are known in space, one of them but for its depth."""
    (frame,) = json.loads(json.dumps(CASES[0]["value"]))
    person = frame["people"][0]
    rows = np.reshape(person["pose_keypoints_2d"], (18, 3))
    space = np.column_stack([rows[:, :2] / 250, np.linspace(-0.3, 0.3, 18), rows[:, 2]]).ravel().tolist()
    person |= {"pose_keypoints_3d": space, "person_id": [3]}
    return [frame, frame]


DIALECTS = [
    _in_space(),
    [{"image_id": "a.jpg", "keypoints": COCO, "score": 2.5, "box": [1, 2, 3, 4], "idx": [1.0], **SIZE}] * 2,
    {"a.jpg": [{"keypoints": COCO, "scores": 0.9, "idx": 1}], "b.jpg": [], **SIZE},
    {"meta_info": {"dataset_name": "coco", "keypoint_id2name": dict(enumerate(NAMES))}, "instance_info": [
        {"keypoints": [row[:2] for row in ROWS], "keypoint_scores": [0.9] * 17}], **SIZE},
    {"images": [{"id": 1, "width": 352, "height": 512}], "annotations": [
        {"image_id": 1, "category_id": 1, "keypoints": COCO, "attributes": {"track_id": 2}}],
     "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES), "skeleton": [[1, 2]]}]},
    [{"score": 0.9, "id": 1, "keypoints": OBJECTS, **SIZE}],
    {**{point["name"]: point for point in OBJECTS}, **SIZE},
    {"landmarks": [[{"x": 0.5, "y": 0.1 + n / 50, "z": 0.0, "visibility": 0.9} for n in range(33)]],
     "worldLandmarks": [[{"x": 0.0, "y": n / 50, "z": 0.0} for n in range(33)]], **SIZE},
    {"keypoints": [{"0": [[y, x, 0.9] for x, y, _ in ROWS]}], "skeleton": dict(enumerate(NAMES)), **SIZE},
    {"shapes": [{"label": name, "points": [row[:2]], "shape_type": "point", "group_id": 1}
                for name, row in zip(NAMES, ROWS, strict=True)], "imageWidth": 352, "imageHeight": 512},
    [{"annotations": [{"result": [
        {"original_width": 352, "original_height": 512, "value": {"x": x / 4, "y": y / 6, "keypointlabels": [name]}}
        for name, (x, y, _) in zip(NAMES, ROWS, strict=True)]}]}],
    {"frames": [[{"pred_keypoints_2d": [[1.0, 2.0]] * 70, "pred_keypoints_3d": [[0.1, 0.2, 0.3]] * 70}]],
     "image_size": [512, 352], "faces": []},
]  # fmt: skip
DOCUMENTS = [case["value"] for case in CASES if "value" in case] + DIALECTS
KEYS = sorted({
    "people", "pose_keypoints_2d", "pose_keypoints", "keypoints", "keypoint_scores", "foot_keypoints_2d", "animals",
    "canvas_width", "canvas_height", "width", "height", "keypoints_x", "keypoints_y", "images", "annotations",
    "instance_info", "instances", "id", "image_id", "x", "y", "visible", "frames", "length", "__proto__", "1", "10",
    "pose_keypoints_3d", "person_id", "idx", "categories", "category_id", "skeleton", "meta_info", "keypoint_id2name",
    "landmarks", "worldLandmarks", "shapes", "result", "value", "image_size", "imageWidth", "size", "faces", "name",
    "position", "score", "version", "bodies", "joints", "nose", "attributes", "pred_keypoints_2d", "face_keypoints_2d",
})  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16")
PIECES = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"NaN", b"-Infinity", b"1e999", b"0x10", b"None", b"True",
          b"'", b"\\", b"\xef\xbb\xbf", b"\xff", b"\0", b"()", b'"people":[]', b"[" * 3000, b"9" * 5000,
          b"\n"]  # fmt: skip


def check_poses(content: bytes, poses: list[Pose] | None, error: Exception | None) -> None:
    """That what was read holds together."""
    assert error is not None or poses
    for pose in poses or ():
        assert pose.points.shape == (18, 2) and pose.points.dtype == np.float64
        assert pose.visible.any() and not np.isinf(pose.points).any()
        assert (np.isnan(pose.points[:, 0]) == np.isnan(pose.points[:, 1])).all()
        assert type(pose.width) is type(pose.height) is int and pose.width >= 1 <= pose.height
        assert pose.keypoints_3d is None or pose.keypoints_3d.shape == (18, 3)
        assert pose.keypoints_3d is None or not np.isinf(pose.keypoints_3d).any()
        assert pose.person_id is None or (type(pose.person_id) is int and pose.person_id >= 0)


def _written(document: object, as_python: bool, encoding: str) -> bytes:
    text = repr(document) if as_python else json.dumps(document, ensure_ascii=encoding == "utf-8")
    return text.encode(encoding, errors="replace")


def _space_changed(changes: list[int]) -> list[dict]:
    """People whose numbers in space are replaced, cut, repeated or of another kind."""
    frames = _in_space()
    for change in changes:
        random = Random(change)
        person = random.choice(frames)["people"][0]
        space = person["pose_keypoints_3d"]
        if not isinstance(space, list) or not space:
            continue
        place = random.randrange(len(space))
        match random.randrange(7):
            case 0:
                person["pose_keypoints_3d"] = random.choice((*SCALARS, {}, [], [[]], {"x": 1}, [space], space * 3_000))
            case 1:
                person["pose_keypoints_3d"] = [space[start : start + 4] for start in range(0, len(space), 4)]
            case 2:
                del space[place : place + random.choice((1, 3, 4, 72))]
            case 3:
                space[place:place] = space[place : place + random.choice((1, 4))] * random.randint(1, 50)
            case 4:
                space[place % 4 :: 4] = [random.choice(SCALARS)] * len(space[place % 4 :: 4])
            case 5:
                scale = random.choice((1e-300, 1e-9, -1, 1e3, 1e5, 1e300))
                space[:] = [value * scale if isinstance(value, float) else value for value in space]
            case _:
                space[place] = random.choice(SCALARS)
    return frames


FILES = [_written(case.get("value", case.get("text")), python, encoding)
         for case, python, encoding in zip(CASES, [False, True] * len(CASES), ENCODINGS * len(CASES), strict=False)]
FILES += [_written(document, False, "utf-8") for document in DIALECTS]
BOUNDS = dict(most_calls=4_000, calls_a_byte=30, most_memory=500_000, memory_a_byte=300)
TARGETS = {
    "key_points": Target(
        st.builds(_written, changed_documents(DOCUMENTS, KEYS), st.just(False), st.sampled_from(ENCODINGS)),
        parse_pose_json, (PoseError,), check=check_poses, is_cheap=True, **BOUNDS,
    ),
    "space": Target(
        st.builds(_written, st.builds(_space_changed, CHANGES), st.just(False), st.just("utf-8")),
        parse_pose_json, (PoseError,), check=check_poses, is_cheap=True, **BOUNDS,
    ),
    "pose_files": Target(
        changed_bytes(FILES, PIECES), parse_pose_json, (PoseError,), check=check_poses, is_cheap=True, **BOUNDS
    ),
}
