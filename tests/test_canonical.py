"""The form in which the pose editor reads key points: every dialect becomes it, and keeps its meaning."""

import json
from pathlib import Path

import numpy as np
import pytest

from cfld_modules.errors import PoseError
from cfld_modules.poses.canonical import canonical_frames, read_hands
from cfld_modules.poses.pose_drawing import draw_pose_in_style
from cfld_modules.poses.reading import read_pose_keypoints

CASES = json.loads((Path(__file__).parent / "data" / "keypoint_cases.json").read_text())["cases"]
STANDING = json.loads((Path(__file__).parents[1] / "web" / "poses" / "standing_front.json").read_text())[0]
BODY = STANDING["people"][0]["pose_keypoints_2d"]
SIZE = {"canvas_width": STANDING["canvas_width"], "canvas_height": STANDING["canvas_height"]}


def text_of(case):
    return case.get("text") or json.dumps(case["value"])


def is_canonical(frame):
    """As the page's readCanonical judges it."""
    people = frame["people"]
    bodies = [np.reshape(person["pose_keypoints_2d"], (18, 3)) for person in people]
    return all(set(body[:, 2]) <= {0.0, 1.0} for body in bodies) and (
        len(people) == 1 or sum(person.get("chosen") is True for person in people) == 1
    )


@pytest.mark.parametrize("case", [case for case in CASES if "points" in case], ids=lambda case: case["name"])
def test_canonical_form_of_a_dialect_means_the_same(case):
    frames = json.loads(json.dumps(canonical_frames(text_of(case)), allow_nan=False))
    assert all(map(is_canonical, frames))
    for pose, points in zip(read_pose_keypoints(frames), case["points"], strict=True):
        expected = np.array([point or (np.nan, np.nan) for point in points])
        np.testing.assert_allclose(pose.points, expected, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=lambda case: case["name"])
def test_canonical_form_of_what_cannot_be_read_is_refused_in_the_readers_words(case):
    with pytest.raises(PoseError, match=case["error"]):
        canonical_frames(text_of(case))


def test_everybody_is_kept_with_hands_and_face_in_pixels_and_metres():
    shares = (np.reshape(BODY, (18, 3)) / (SIZE["canvas_width"], SIZE["canvas_height"], 1)).ravel().tolist()
    hand = [0.5, 0.25, 0.8] + [0.0] * 60
    metres = np.hstack([np.reshape(BODY, (18, 3))[:, :2] / 250, np.zeros((18, 1)), np.ones((18, 1))]).ravel().tolist()
    small = [number / 2 if index % 3 < 2 else number for index, number in enumerate(BODY)]
    people = [
        {"pose_keypoints_2d": small, "person_id": [7], "chosen": True, "pose_keypoints_3d": metres},
        {"pose_keypoints_2d": shares, "hand_left_keypoints_2d": hand, "face_keypoints_2d": [None, 1, 1]},
    ]
    (frame,) = canonical_frames([{**SIZE, "people": people}])
    first, second = frame["people"]
    assert (first["chosen"], first["person_id"], "chosen" in second) == (True, [7], False)
    np.testing.assert_allclose(first["pose_keypoints_3d"], metres, atol=1e-9)
    np.testing.assert_allclose(second["pose_keypoints_2d"], BODY, atol=1e-6)
    assert second["hand_left_keypoints_2d"][:3] == [SIZE["canvas_width"] / 2, SIZE["canvas_height"] / 4, 0.8]
    assert second["face_keypoints_2d"] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("nesting", [lambda one: one, lambda one: [one, one], lambda one: {"a": one, "b": {"c": one}}])
def test_frames_without_a_size_are_read_on_the_given_canvas_and_refused_without(nesting):
    value = nesting({"people": [{"pose_keypoints_2d": BODY}]})
    frames = canonical_frames(value, (700, 900))
    assert {(frame["canvas_width"], frame["canvas_height"]) for frame in frames} == {(700, 900)}
    with pytest.raises(PoseError, match="canvas_width"):
        canonical_frames(value)
    sized = canonical_frames({**SIZE, "frames": [value]} if isinstance(value, dict) else value, (700, 900))
    assert sized[0]["canvas_width"] == (SIZE["canvas_width"] if isinstance(value, dict) else 700)


def test_python_value_of_megabytes_is_refused_before_it_is_parsed():
    with pytest.raises(PoseError, match="not valid JSON"):
        canonical_frames("[" + "(1, 2)," * 200_000 + "]")


def test_hands_are_read_for_the_chosen_person_and_drawn_in_openpose_style_alone():
    hand = np.column_stack([np.linspace(20, 60, 21), np.linspace(400, 480, 21), np.ones(21)])
    person = {"pose_keypoints_2d": BODY, "hand_left_keypoints_2d": hand.ravel().tolist()}
    blank = {"pose_keypoints_2d": BODY, "hand_left_keypoints_2d": [0.0] * 63, "hand_right_keypoints_2d": [1.0, 2.0]}
    assert [list(hands) for hands in read_hands([{**SIZE, "people": [one]} for one in (person, blank)])] == [
        ["hand_left_keypoints_2d"], []
    ]
    (hands,) = read_hands({**SIZE, "people": [person]})
    np.testing.assert_array_equal(hands["hand_left_keypoints_2d"], hand)
    (pose,) = read_pose_keypoints({**SIZE, "people": [person]})
    plain, drawn = (draw_pose_in_style(pose, 352, 512, "openpose", one) for one in (None, hands))
    changed = np.argwhere((plain != drawn).any(axis=2))
    assert changed.min(axis=0)[1] >= 16 and changed.max(axis=0)[1] <= 64 and len(changed) > 100
    np.testing.assert_array_equal(
        draw_pose_in_style(pose, 352, 512, "cfld", hands), draw_pose_in_style(pose, 352, 512, "cfld")
    )
