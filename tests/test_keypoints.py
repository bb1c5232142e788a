"""Every POSE_KEYPOINT dialect round-trips, and any JSON whatever is either read or refused with PoseError."""

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import JOINT_NAMES, LIMBS, MIRROR, Pose, write_pose_keypoints
from cfld_modules.poses.reading import parse_pose_json, read_pose_keypoints
from tests.keypoint_files import (
    BODY,
    BUNDLED,
    annotation,
    assert_same,
    body_25,
    coco_and_toes,
    cut,
    dwpose,
    flat,
    frame,
    openpose_normalised,
    people,
    person,
    poses,
    read_people,
    sdpose,
)


@given(poses())
def test_pixels_round_trip_in_memory_and_as_json(pose: Pose) -> None:
    written = write_pose_keypoints([pose])
    assert_same(read_pose_keypoints(written)[0], pose, 0)
    assert_same(parse_pose_json(json.dumps(written))[0], pose, 0)
    assert_same(read_pose_keypoints([dwpose(pose)])[0], pose, 0)


@given(poses())
def test_normalised_key_points_read_back_the_same(pose: Pose) -> None:
    assert_same(read_pose_keypoints([openpose_normalised(pose)])[0], pose)


@given(poses(), st.lists(st.floats(0.01, 0.95), min_size=18, max_size=18))
def test_key_points_in_sdpose_s_form_read_back_the_same(pose: Pose, scores: list[float]) -> None:
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
def test_an_annotation_is_read_back_as_it_was(drawn: list[tuple[int, int] | None]) -> None:
    points = np.array([p if p else (np.nan, np.nan) for p in drawn], dtype=float)
    assert_same(read_pose_keypoints(annotation(points))[0], Pose(points, 176, 256), 0)


@given(st.lists(poses(), min_size=1, max_size=4))
def test_frames_keep_their_order_and_a_bare_frame_is_a_list_of_one(several: list[Pose]) -> None:
    for read, pose in zip(read_pose_keypoints(write_pose_keypoints(several)), several, strict=True):
        assert_same(read, pose)
    assert_same(read_pose_keypoints(dwpose(several[0]))[0], several[0])


def test_mirror_swaps_the_names_and_maps_the_bones_onto_themselves() -> None:
    swapped = {"right": "left", "left": "right"}
    for index, name in enumerate(JOINT_NAMES):
        side, _, rest = name.partition(" ")
        assert JOINT_NAMES[MIRROR[index]] == (f"{swapped[side]} {rest}" if side in swapped else name)
    assert {(MIRROR[a], MIRROR[b]) for a, b in LIMBS} == set(LIMBS)


def test_the_largest_of_several_people_is_taken() -> None:
    small, large, line = person(90, 90, 5, 9), person(10, 20, 30, 60), person(0, 0, 0, 150)
    empty = {"pose_keypoints_2d": None}
    for crowd in ([small, large], [large, small], [empty, large, line, small]):
        assert read_people(*crowd).points[0].tolist() == [10, 20]
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


def test_key_points_with_null_coordinates_are_missing() -> None:
    values = person(10, 20, 30, 60)
    values["pose_keypoints_2d"][1] = None
    assert read_people(values).visible[:3].tolist() == [False, True, True]


def test_numbers_of_numpy_are_numbers() -> None:
    values = {"pose_keypoints_2d": [np.float32(v) for v in BODY]}
    value = {"people": (values,), "canvas_width": np.int64(100), "canvas_height": 200.0}
    assert read_pose_keypoints(value)[0].points[0].tolist() == [10, 20]
