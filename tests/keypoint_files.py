"""Key points in the forms that tools write, made from a bundled pose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from cfld_modules.poses.keypoints import JOINT_NAMES, MIRROR, Pose
from cfld_modules.poses.reading import parse_pose_json, read_pose_keypoints

# The 25 points of BODY_25 by name, as OpenPose's documentation lists them; written out so that the reader's own table
# of indices is checked against something else.
BODY_25 = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "mid hip", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
    "left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel",
)  # fmt: skip


BUNDLED = [
    parse_pose_json(file.read_bytes())[0]
    for file in sorted((Path(__file__).parent.parent / "web" / "poses").glob("*.json"))
]


def mirror(pose: Pose) -> Pose:
    """The pose as in a mirror: left and right swapped, x flipped as flipping the picture flips its pixel columns."""
    points = pose.points[list(MIRROR)]
    points[:, 0] = pose.width - 1 - points[:, 0]
    space = None if pose.keypoints_3d is None else pose.keypoints_3d[list(MIRROR)] * (-1, 1, 1)
    return replace(pose, points=points, keypoints_3d=space)


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    """A pose of at least one point on a canvas of 16 pixels or more; less than half of its points lie outside."""
    width, height = draw(st.integers(16, 2000)), draw(st.integers(16, 2000))
    share = st.floats(0, 1, width=32)
    drawn = draw(st.lists(st.none() | st.tuples(share, share), min_size=18, max_size=18))
    points = np.array([(np.nan, np.nan) if p is None else (p[0] * width, p[1] * height) for p in drawn])
    assume(np.nanmax(np.abs(points), initial=0.0) > 8)
    for joint in draw(st.sets(st.integers(0, 17), max_size=int((~np.isnan(points[:, 0])).sum()) // 2)):
        points[joint] += (width * draw(st.sampled_from((-1.1, 0, 1.1))), height * 1.1)
    return Pose(points, width, height)


@st.composite
def people(draw: st.DrawFn, most_hidden: int) -> Pose:
    """A bundled pose turned, scaled and with a few joints hidden, on a canvas that it is on."""
    pose = draw(st.sampled_from(BUNDLED))
    angle, scale = draw(st.floats(-np.pi, np.pi)), draw(st.floats(0.1, 4))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (pose.points - (pose.width / 2, pose.height / 2)) @ turn * scale + 1400
    points[list(draw(st.sets(st.integers(0, 17), max_size=most_hidden)))] = np.nan
    assume(not np.isnan(points).all())
    return Pose(points, 2800, 2800)


def flat(points: np.ndarray, missing: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> list[float]:
    rows = [missing if np.isnan(x) else (float(x), float(y), 1.0) for x, y in points]
    return [value for row in rows for value in row]


def frame(pose: Pose, *people: dict) -> dict:
    return {"people": list(people), "canvas_height": pose.height, "canvas_width": pose.width}


def dwpose(pose: Pose) -> dict:
    nothing = dict.fromkeys(("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"))
    return frame(pose, {"pose_keypoints_2d": flat(pose.points)} | nothing)


def openpose_normalised(pose: Pose) -> dict:
    nothing = dict.fromkeys(("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"))
    return frame(pose, {"pose_keypoints_2d": flat(pose.points / (pose.width, pose.height))} | nothing)


def sdpose(pose: Pose, scores: list[float]) -> dict:
    """Real scores; a point that is missing is at (-1, -1) or at a guess with a low score."""
    body: list[float] = []
    for index, (x, y) in enumerate(pose.points):
        if not np.isnan(x):
            body += [float(x), float(y), 0.3 + scores[index]]
        else:
            body += [-1.0, -1.0, scores[index]] if index % 2 else [7.0, 9.0, 0.29 * scores[index]]
    person = {"pose_keypoints_2d": body, "foot_keypoints_2d": [5.0, 6.0, 0.9] * 6, "face_keypoints_2d": [0.0] * 210}
    return frame(pose, person)


def body_25(pose: Pose, feet: bool = True) -> dict:
    """The mid hip between the hips; the feet just below the ankles."""
    by_name = dict(zip(JOINT_NAMES, pose.points, strict=True))
    by_name["mid hip"] = (by_name["right hip"] + by_name["left hip"]) / 2
    for name in BODY_25[19:]:
        by_name[name] = by_name[f"{name.split()[0]} ankle"] + 0.001 if feet else np.full(2, np.nan)
    return frame(pose, {"pose_keypoints_2d": flat(np.array([by_name[name] for name in BODY_25]))})


def coco_and_toes(pose: Pose, feet: bool = True) -> dict:
    """The 18, two toes, and zeros up to as many as BODY_25 has."""
    toes = pose.points[[JOINT_NAMES.index("right ankle"), JOINT_NAMES.index("left ankle")]] + 0.001
    rest = np.full((5 if feet else 7, 2), np.nan)
    return frame(pose, {"pose_keypoints_2d": flat(np.concatenate([pose.points, *([toes] if feet else []), rest]))})


def cut(written: dict, count: int) -> dict:
    body = written["people"][0]["pose_keypoints_2d"]
    return written | {"people": [{"pose_keypoints_2d": body[: count * 3]}]}


def annotation(points: np.ndarray) -> dict:
    whole = np.where(np.isnan(points), -1, points).astype(int)
    return {"name": "somebody.jpg", "keypoints_y": whole[:, 1].tolist(), "keypoints_x": whole[:, 0].tolist()}


def assert_same(read: Pose, pose: Pose, tolerance: float = 1e-9) -> None:
    assert (read.width, read.height) == (pose.width, pose.height)
    np.testing.assert_allclose(read.points, pose.points, rtol=tolerance, atol=tolerance)


def person(x: float, y: float, width: float, height: float, score: float = 1.0) -> dict:
    points = np.full((18, 2), np.nan)
    points[:3] = [(x, y), (x + width, y), (x + width, y + height)]
    values = flat(points)
    values[2::3] = [score * c for c in values[2::3]]
    return {"pose_keypoints_2d": values}


def read_people(*people: object) -> Pose:
    return read_pose_keypoints([{"canvas_width": 100, "canvas_height": 200, "people": list(people)}])[0]


GOOD = person(10, 20, 30, 60)
BODY = GOOD["pose_keypoints_2d"]


def with_body(position: int, value: object) -> dict:
    return {"pose_keypoints_2d": [*BODY[:position], value, *BODY[position + 1 :]]}
