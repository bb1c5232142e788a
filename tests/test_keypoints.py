"""Every POSE_KEYPOINT dialect round-trips, and any JSON whatever is either read or refused with PoseError."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.dialects import MOST_FRAMES, MOST_PEOPLE
from cfld_modules.poses.keypoints import JOINT_NAMES, LIMBS, MIRROR, Pose, mirror, write_pose_keypoints
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


@given(people(most_hidden=0), st.sampled_from((body_25, coco_and_toes)), st.booleans(), st.sampled_from((19, 20, 25)))
def test_of_a_whole_person_the_order_is_told(pose: Pose, write: Callable, feet: bool, count: int) -> None:
    assert_same(read_pose_keypoints(cut(write(pose, feet), count))[0], pose)


@given(people(most_hidden=12), st.sampled_from((body_25, coco_and_toes)), st.booleans(), st.sampled_from((19, 20, 25)))
def test_an_order_is_told_or_said_to_be_unclear(pose: Pose, write: Callable, feet: bool, count: int) -> None:
    try:
        read, = read_pose_keypoints(cut(write(pose, feet), count))
    except PoseError as error:
        assert f"order of these {count} points is not clear" in str(error)
    else:
        assert_same(read, pose)


@pytest.mark.parametrize("write", [body_25, coco_and_toes])
def test_who_shows_too_little_is_read_as_the_others_in_the_file(write: Callable) -> None:
    whole, shy = BUNDLED[0], copy.deepcopy(BUNDLED[0])
    shy.points[8:15] = shy.points[17] = np.nan
    with pytest.raises(PoseError, match="frame 1, person 1, .* the order"):
        read_pose_keypoints([write(shy)])
    assert_same(read_pose_keypoints([write(shy), write(whole)])[0], shy)


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
    assert read_people(person(0.2, 0.5, 0.5, 1.2)).points[2] == pytest.approx([70, 340])
    assert read_people(person(-0.2, 0.5, 0.5, 0.2)).points[0] == pytest.approx([-20, 100])


@pytest.mark.parametrize(("written", "sure"), [({}, 0.05), ({"foot_keypoints_2d": [1.0, 2.0, 0.9] * 6}, 0.3)])
def test_low_scores_count_from_where_their_detector_draws(written: dict, sure: float) -> None:
    assert read_people(person(10, 20, 30, 60, score=sure) | written).visible[:3].all()
    with pytest.raises(PoseError, match="sure point"):
        read_people(person(10, 20, 30, 60, score=sure - 0.01) | written)


def test_minus_one_is_missing_only_where_scores_are_real() -> None:
    values = person(10, 20, 30, 60)
    values["pose_keypoints_2d"][2] = 0.5
    values["pose_keypoints_2d"][3:5] = [-1, -1]
    assert read_people(values).visible[:3].tolist() == [True, False, True]
    values["pose_keypoints_2d"][2] = 1
    assert read_people(values).visible[:3].all()


@given(people(most_hidden=6), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.3, 3))
def test_most_of_a_person_is_on_the_canvas_or_it_is_a_close_up(pose: Pose, x: float, y: float, size: float) -> None:
    points = (pose.points - 1400) * size + 1400 + np.array([x, y]) * 1400
    inside = np.all((points >= 0) & (points <= 2800), axis=1)
    head = [joint for joint in (0, 1, 2, 5, 14, 15, 16, 17) if pose.visible[joint]]
    is_close_up = len(head) >= 4 and inside[head].all()
    written = write_pose_keypoints([Pose(points, 2800, 2800)])
    if 2 * inside.sum() >= pose.visible.sum() or is_close_up:
        assert_same(read_pose_keypoints(written)[0], Pose(points, 2800, 2800))
    else:
        with pytest.raises(PoseError, match=r"points lie outside the canvas of 2800x2800 \(x "):
            read_pose_keypoints(written)


@given(people(most_hidden=6))
def test_coordinates_from_minus_one_to_one_are_said(pose: Pose) -> None:
    points = pose.points / 1400 - 1
    present = points[pose.visible]
    assume((np.abs(present) <= 1).all() and (present < 0).any(axis=1).mean() > 0.5)
    with pytest.raises(PoseError, match="from -1 to 1"):
        read_pose_keypoints(frame(pose, {"pose_keypoints_2d": flat(points)}))


@given(people(most_hidden=0))
def test_an_annotation_beyond_its_frame_needs_a_canvas(pose: Pose) -> None:
    written = annotation(pose.points)
    assume(max(written["keypoints_x"]) > 176)
    with pytest.raises(PoseError, match="reach x .* 176x256.*canvas_width"):
        read_pose_keypoints(written)
    read, = read_pose_keypoints(written | {"canvas_width": 2800, "canvas_height": 2800})
    assert_same(read, Pose(np.trunc(pose.points), 2800, 2800), 0)


@given(poses(), st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")), st.booleans())
def test_files_in_any_unicode_and_printed_python_values(pose: Pose, encoding: str, as_python: bool) -> None:
    written = {"a name with 'quotes' and \u00e4": write_pose_keypoints([pose]), "nothing": None}
    text = repr(written) if as_python else json.dumps(written, ensure_ascii=False)
    assert_same(parse_pose_json(text.encode(encoding))[0], pose, 0)
    assert_same(read_pose_keypoints(text)[0], pose, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{}] * (MOST_FRAMES + 1), "5001 frames; more than 5000"),
        ({str(number): {} for number in range(MOST_FRAMES + 1)}, "5001 frames"),
        ([[{"keypoints_y": [1] * 18, "keypoints_x": [1] * 18}] * 2501] * 2, "5001 frames"),
        ({"people": [{}] * (MOST_PEOPLE + 1), "canvas_width": 9, "canvas_height": 9}, "10001 people; more than 10000"),
        ({"annotations": [{"image_id": n} for n in range(MOST_FRAMES + 1)]}, "5001 frames"),
        ([[[[[[[[]]]]]]]], "nested too deeply"),
    ],
)
def test_too_much_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(PoseError, match=message):
        read_pose_keypoints(value)


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
        ("[]", "no frame"),
        ([[]], "no frame"),
        ([7], "frame 1: must be an object"),
        ([{"version": "ap10k", "animals": []}], "frame 1: these are animals'"),
        ({"1": {"class_type": "KSampler", "inputs": {"seed": 3}}}, "frame 'inputs': has no 'people' .*'seed'"),
        ({"annotations": [3]}, "'annotations' must be a list of objects"),
        ({"instance_info": {}}, "'instance_info' must be a list of objects"),
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
        ([{"face_keypoints_2d": BODY}], "nobody is in it"),
        ([{"pose_keypoints_2d": BODY[:51] + [1]}], "holds 17.3333 points. Wanted are 18 .* 17, 18, 19"),
        ([{"pose_keypoints_2d": "1,2"}], "list of numbers, got '1,2'"),
        ([{"pose_keypoints_2d": np.zeros(54)}], "list of numbers, got array"),
        ([{"pose_keypoints_2d": [[1, 2, 3, 4]] * 18}], r"a point must be \[x, y\] .* got \[1, 2, 3, 4\]"),
        ([{"keypoints": {"x": [1], "y": [1, 2], "visible": [1]}}], "lists 'x', 'y' and 'visible' of one length"),
        ([{"pose_keypoints_2d": None}], "of 1 found in it, nobody has a single sure point"),
        ([{"pose_keypoints_2d": []}], "single sure point"),
        ([{"pose_keypoints_2d": [0] * 54}], "single sure point"),
        ([GOOD, with_body(5, float("nan"))], "frame 1, person 2, pose_keypoints_2d, number 6: .* got nan"),
        ([with_body(0, float("inf"))], "got inf"),
        ([with_body(1, 10**400)], "number 2"),
        ([with_body(1, True)], "got True"),
        ([with_body(2, "1")], "number 3: must be a number .* got '1'"),
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


SIZE = {"width": 9, "height": 9}
DOCUMENTS = (
    write_pose_keypoints([Pose(np.arange(36.0).reshape(18, 2) * 9, 352, 512)] * 2),
    [openpose_normalised(Pose(np.arange(36.0).reshape(18, 2), 40, 40))],
    [sdpose(Pose(np.arange(36.0).reshape(18, 2), 40, 40), [0.4] * 18)],
    body_25(BUNDLED[0]),
    coco_and_toes(BUNDLED[1]),
    {"images": [{"id": 1, **SIZE}], "annotations": [{"image_id": 1, "keypoints": [1, 2, 2] * 17}]},
    {**SIZE, "keypoints": [[[1, 2]] * 18]},
    {"instance_info": [{"instances": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1] * 17}], **SIZE}]},
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
