"""Key points that are damaged, hostile or too many: read or refused by name, whatever they are."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.dialects import MOST_FRAMES, MOST_PEOPLE
from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from cfld_modules.poses.reading import parse_pose_json, read_pose_keypoints
from tests.keypoint_files import (
    BODY,
    BUNDLED,
    GOOD,
    annotation,
    body_25,
    coco_and_toes,
    openpose_normalised,
    read_people,
    sdpose,
    with_body,
)


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
def test_a_bad_frame_is_refused_with_the_reason(value: object, message: str) -> None:
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
def test_a_bad_person_is_refused_with_the_reason(people: list, message: str) -> None:
    with pytest.raises(PoseError, match=message):
        read_people(*people)


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
