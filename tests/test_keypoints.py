"""Every POSE_KEYPOINT dialect round-trips, and any JSON whatever is either read or refused with PoseError."""

import copy
import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfld_modules.poses.keypoints import (
    JOINT_NAMES,
    LIMBS,
    MIRROR,
    Pose,
    PoseError,
    mirror,
    parse_pose_json,
    read_pose_keypoints,
    write_pose_keypoints,
)

# The 25 points of BODY_25 by name, as OpenPose's documentation lists them; written out so that the reader's own table
# of indices is checked against something else.
BODY_25 = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "mid hip", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
    "left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel",
)  # fmt: skip


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    """A pose of at least one point on a canvas of 16 pixels or more; points may lie far outside it."""
    width, height = draw(st.integers(16, 2000)), draw(st.integers(16, 2000))
    reach = st.floats(-0.875, 1.875, width=32)
    point = st.none() | st.tuples(reach, reach)
    drawn = draw(st.lists(point, min_size=18, max_size=18))
    points = np.array([(np.nan, np.nan) if p is None else (p[0] * width, p[1] * height) for p in drawn])
    assume(np.nanmax(np.abs(points), initial=0.0) > 8)
    return Pose(points, width, height)


def flat(points: np.ndarray, missing: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> list[float]:
    rows = [missing if np.isnan(x) else (float(x), float(y), 1.0) for x, y in points]
    return [value for row in rows for value in row]


def frame(pose: Pose, *people: dict) -> dict:
    return {"people": list(people), "canvas_height": pose.height, "canvas_width": pose.width}


def dwpose(pose: Pose) -> dict:
    nothing = dict.fromkeys(("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"))
    return frame(pose, {"pose_keypoints_2d": flat(pose.points)} | nothing)


def openpose_normalised(pose: Pose) -> dict:
    return frame(pose, {"pose_keypoints_2d": flat(pose.points / (pose.width, pose.height))})


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


def body_25(pose: Pose) -> dict:
    extra = (3.0, 4.0)
    by_name = dict(zip(JOINT_NAMES, pose.points, strict=True))
    return frame(pose, {"pose_keypoints_2d": flat(np.array([by_name.get(name, extra) for name in BODY_25]))})


def annotation(points: np.ndarray) -> dict:
    whole = np.where(np.isnan(points), -1, points).astype(int)
    return {"name": "somebody.jpg", "keypoints_y": whole[:, 1].tolist(), "keypoints_x": whole[:, 0].tolist()}


def assert_same(read: Pose, pose: Pose, tolerance: float = 1e-9) -> None:
    assert (read.width, read.height) == (pose.width, pose.height)
    np.testing.assert_allclose(read.points, pose.points, rtol=tolerance, atol=tolerance)


@given(poses())
def test_pixels_round_trip_in_memory_and_as_json(pose: Pose) -> None:
    written = write_pose_keypoints([pose])
    assert_same(read_pose_keypoints(written)[0], pose, 0)
    assert_same(parse_pose_json(json.dumps(written))[0], pose, 0)
    assert_same(read_pose_keypoints([dwpose(pose)])[0], pose, 0)


@given(poses())
def test_normalised_round_trip(pose: Pose) -> None:
    assert_same(read_pose_keypoints([openpose_normalised(pose)])[0], pose)


@given(poses(), st.lists(st.floats(0.01, 0.95), min_size=18, max_size=18))
def test_sdpose_round_trip(pose: Pose, scores: list[float]) -> None:
    assert_same(read_pose_keypoints([sdpose(pose, scores)])[0], pose)


@given(poses())
def test_body_25_round_trip(pose: Pose) -> None:
    assert_same(read_pose_keypoints([body_25(pose)])[0], pose)


@given(
    st.lists(st.none() | st.tuples(st.integers(0, 175), st.integers(0, 255)), min_size=18, max_size=18).filter(any)
)
def test_annotation_round_trip(drawn: list[tuple[int, int] | None]) -> None:
    points = np.array([p if p else (np.nan, np.nan) for p in drawn], dtype=float)
    assert_same(read_pose_keypoints(annotation(points))[0], Pose(points, 176, 256), 0)


@given(st.lists(poses(), min_size=1, max_size=4))
def test_frames_keep_their_order_and_a_bare_frame_is_a_list_of_one(several: list[Pose]) -> None:
    for read, pose in zip(read_pose_keypoints(write_pose_keypoints(several)), several, strict=True):
        assert_same(read, pose)
    assert_same(read_pose_keypoints(dwpose(several[0]))[0], several[0])


@given(poses())
def test_mirror_twice_is_the_identity_and_left_becomes_right(pose: Pose) -> None:
    assert_same(mirror(mirror(pose)), pose, 1e-6)
    right_wrist, left_wrist = JOINT_NAMES.index("right wrist"), JOINT_NAMES.index("left wrist")
    mirrored = mirror(pose).points[left_wrist]
    np.testing.assert_allclose(mirrored, [pose.width - 1 - pose.points[right_wrist, 0], pose.points[right_wrist, 1]])


def test_mirror_swaps_the_names_and_maps_the_bones_onto_themselves() -> None:
    swapped = {"right": "left", "left": "right"}
    for index, name in enumerate(JOINT_NAMES):
        side, _, rest = name.partition(" ")
        assert JOINT_NAMES[MIRROR[index]] == (f"{swapped[side]} {rest}" if side in swapped else name)
    assert {(MIRROR[a], MIRROR[b]) for a, b in LIMBS} == set(LIMBS)


def person(x: float, y: float, width: float, height: float, score: float = 1.0) -> dict:
    points = np.full((18, 2), np.nan)
    points[:3] = [(x, y), (x + width, y), (x + width, y + height)]
    values = flat(points)
    values[2::3] = [score * c for c in values[2::3]]
    return {"pose_keypoints_2d": values}


def read_people(*people: object) -> Pose:
    return read_pose_keypoints([{"canvas_width": 100, "canvas_height": 200, "people": list(people)}])[0]


def test_the_largest_of_several_people_is_taken() -> None:
    small, large, line = person(90, 90, 5, 9), person(10, 20, 30, 60), person(0, 0, 0, 150)
    empty = {"pose_keypoints_2d": None}
    for people in ([small, large], [large, small], [empty, large, line, small]):
        assert read_people(*people).points[0].tolist() == [10, 20]
    assert read_people(line, person(90, 90, 2, 9)).points[0].tolist() == [0, 0]


def test_people_are_compared_in_pixels_whatever_their_own_units() -> None:
    assert read_people(person(0.1, 0.1, 0.6, 0.8), person(20, 20, 5, 5)).points[0].tolist() == [10, 20]


def test_normalised_points_outside_the_canvas() -> None:
    assert read_people(person(-0.2, 0.5, 0.5, 1.2)).points[2] == pytest.approx([30, 340])


def test_low_scores_count_only_where_scores_are_real() -> None:
    assert read_people(person(10, 20, 30, 60, score=0.31)).visible[:3].all()
    with pytest.raises(PoseError, match="sure point"):
        read_people(person(10, 20, 30, 60, score=0.29))
    values = person(10, 20, 30, 60)
    values["pose_keypoints_2d"][2] = 0.5
    values["pose_keypoints_2d"][3:5] = [-1, -1]
    assert read_people(values).visible[:3].tolist() == [True, False, True]
    values["pose_keypoints_2d"][2] = 1
    assert read_people(values).visible[:3].all()


def test_null_coordinates_are_missing() -> None:
    values = person(10, 20, 30, 60)
    values["pose_keypoints_2d"][1] = None
    assert read_people(values).visible[:3].tolist() == [False, True, True]


GOOD = person(10, 20, 30, 60)
BODY = GOOD["pose_keypoints_2d"]


def with_body(position: int, value: object) -> dict:
    return {"pose_keypoints_2d": [*BODY[:position], value, *BODY[position + 1 :]]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no frame"),
        (None, "list of frames, got None"),
        ("[]", "list of frames"),
        ([[]], "frame 1: must be an object"),
        ([{"version": "ap10k", "animals": []}], "frame 1: has no 'people' .*'animals'"),
        ([{"people": [GOOD]}], "frame 1: no canvas_width.*Add canvas_width"),
        ([{"people": [GOOD], "canvas_width": 9}], "no canvas_height"),
        ([{"people": [GOOD], "canvas_width": -5, "canvas_height": 9}], "canvas_width must be .* at least 1, got -5"),
        ([{"people": [GOOD], "canvas_width": 0, "canvas_height": 9}], "at least 1, got 0"),
        ([{"people": [GOOD], "canvas_width": 9.5, "canvas_height": 9}], "whole number"),
        ([{"people": [GOOD], "canvas_width": True, "canvas_height": 9}], "canvas_width: must be a number .*True"),
        ([{"people": [GOOD], "canvas_width": "9", "canvas_height": 9}], "canvas_width: must be a number"),
        ([{"people": {}, "canvas_width": 9, "canvas_height": 9}], "'people' must be a list"),
        ([{"people": [], "canvas_width": 9, "canvas_height": 9}], "frame 1: nobody"),
        ([{"people": None, "canvas_width": 9, "canvas_height": 9}], "frame 1: nobody"),
        ({"keypoints_y": [1] * 17, "keypoints_x": [1] * 18}, "keypoints_y: must be a list of 18 numbers, got 17"),
        ({"keypoints_y": [-1] * 18, "keypoints_x": [4] * 18}, "frame 1: of 1 found in it, nobody has a single"),
    ],
)
def test_bad_frames(value: object, message: str) -> None:
    with pytest.raises(PoseError, match=message):
        read_pose_keypoints(value)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([None], "person 1: must be an object"),
        ([GOOD, {"pose_keypoints": BODY}], "person 2: must be an object with 'pose_keypoints_2d'"),
        ([{"pose_keypoints_2d": BODY[:53]}], "pose_keypoints_2d: must be a list of 54 or 75 numbers, got 53 of them"),
        ([{"pose_keypoints_2d": "1,2"}], "54 or 75 numbers, got '1,2'"),
        ([{"pose_keypoints_2d": None}], "of 1 found in it, nobody has a single sure point"),
        ([{"pose_keypoints_2d": []}], "single sure point"),
        ([{"pose_keypoints_2d": [0] * 54}], "single sure point"),
        ([GOOD, with_body(5, float("nan"))], "frame 1, person 2, pose_keypoints_2d, number 6: .* got nan"),
        ([with_body(0, float("inf"))], "got inf"),
        ([with_body(1, 10**400)], "number 2"),
        ([with_body(1, True)], "got True"),
        ([with_body(2, "1")], "number 3: must be a number .* got '1'"),
        ([with_body(2, [1])], "got \\[1\\]"),
    ],
)
def test_bad_people(people: list, message: str) -> None:
    with pytest.raises(PoseError, match=message):
        read_people(*people)


def test_numbers_of_numpy_are_numbers() -> None:
    values = {"pose_keypoints_2d": [np.float32(v) for v in BODY]}
    value = {"people": (values,), "canvas_width": np.int64(100), "canvas_height": 200.0}
    assert read_pose_keypoints(value)[0].points[0].tolist() == [10, 20]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


def read_or_refused(text: str) -> None:
    try:
        read = parse_pose_json(text)
    except PoseError as error:
        assert str(error)
        return
    assert read
    for pose in read:
        assert pose.points.shape == (18, 2)
        assert pose.points.dtype == np.float64
        assert pose.visible.any()
        assert (np.isnan(pose.points[:, 0]) == np.isnan(pose.points[:, 1])).all()
        assert not np.isinf(pose.points).any()
        assert type(pose.width) is type(pose.height) is int
        assert pose.width >= 1 <= pose.height


@given(anything)
def test_any_json_is_read_or_refused(value: object) -> None:
    read_or_refused(json.dumps(value))


@given(st.text() | st.text(alphabet='[]{}",:0123456789.eE+-truefalsnINity \ufeff\ud800'))
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refused(text)


DOCUMENTS = (
    write_pose_keypoints([Pose(np.arange(36.0).reshape(18, 2) * 9, 352, 512)] * 2),
    [openpose_normalised(Pose(np.arange(36.0).reshape(18, 2), 40, 40))],
    [sdpose(Pose(np.arange(36.0).reshape(18, 2), 40, 40), [0.4] * 18)],
    body_25(Pose(np.arange(36.0).reshape(18, 2), 40, 40)),
    annotation(np.arange(36.0).reshape(18, 2)),
)


@given(st.data())
def test_any_mutated_document_is_read_or_refused(data: st.DataObject) -> None:
    document = {"root": copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))}
    for _ in range(data.draw(st.integers(1, 4))):
        parent: dict | list = document
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            child = parent[key]
            if isinstance(child, dict | list) and data.draw(st.integers(0, 3)):
                parent = child
                continue
            if data.draw(st.booleans()) and parent is not document:
                del parent[key]
            else:
                parent[key] = data.draw(anything)
            break
    read_or_refused(json.dumps(document["root"]))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"people":' * 200_000,
        "9" * 5000,
        json.dumps(DOCUMENTS[0]).replace("0.0", "9" * 400),
        json.dumps(DOCUMENTS[0])[:-1],
    ],
)
def test_limits_of_the_json_parser_are_refused(text: str) -> None:
    with pytest.raises(PoseError):
        parse_pose_json(text)


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_pose_json("\ufeff" + json.dumps(DOCUMENTS[0]))
