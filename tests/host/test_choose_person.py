"""Choose Person: one of several people, and all that is theirs."""


import numpy as np
import pytest
from pose_nodes import NOT_KEY_POINTS, load, nodes, reading, result


def crowd(*places):
    """A frame with somebody at each place, none of them like another."""
    frame = load("a_pose")[0]
    people = []
    for number, x in enumerate(places):
        moved = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(-1, 3) + (x, 0, 0)
        people.append(frame["people"][0] | {"pose_keypoints_2d": moved.ravel().tolist(), "person_id": number})
    return frame | {"people": people}


def choose(frames, rule="largest", number=1, nobody="error"):
    return result(nodes.CFLDChoosePerson, frames, rule, number, nobody)[0]


def test_one_is_kept_with_all_that_is_theirs():
    frame = crowd(50, -80, 20)
    assert choose(frame, "leftmost") == [frame | {"people": [frame["people"][1]]}]
    assert choose([frame], "number", 3)[0]["people"] == [frame["people"][0]]
    assert len(frame["people"]) == 3, "the frame on the wire was changed"


def test_frames_without_anybody_are_skipped_held_or_an_error():
    empty = load("a_pose")[0] | {"people": []}
    one, other = crowd(0), crowd(40)
    frames = [empty, one, empty, other, empty]
    assert choose(frames, nobody="skip") == [one, other]
    assert choose(frames, nobody="hold") == [one, one, one, other, other]
    with pytest.raises(ValueError, match="^Choose Person: input 'pose': frame 1 of 5 .3 like it.: nobody is in it; s"):
        choose(frames)


@pytest.mark.parametrize("nobody", ["error", "skip", "hold"])
def test_a_person_who_is_in_no_frame_is_an_error(nobody):
    with pytest.raises(ValueError, match="there is no number 3 among its 2 people; choose another rule or another"):
        choose([crowd(0, 50)], "number", 3, nobody)


def tracked(*people):
    """A frame of (person_id, x)."""
    frame = crowd(*(x for _, x in people))
    for person, (number, _) in zip(frame["people"], people, strict=True):
        person["person_id"] = [number]
    return frame


def test_the_rule_id_and_whoever_was_taken_first_are_followed():
    frames = [tracked((4, 0), (0, 90)), tracked((0, 100), (4, 20)), tracked((0, 110))]
    assert choose(frames, "id", 0) == [
        frame | {"people": [frame["people"][place]]} for frame, place in zip(frames, (1, 0, 0), strict=True)
    ]
    left = choose(frames, "leftmost", nobody="skip")
    assert [frame["people"][0]["person_id"] for frame in left] == [[4], [4]], "who has left is nobody else"
    assert choose(frames, "leftmost", nobody="hold")[2] == left[1]
    with pytest.raises(ValueError, match="frame 3 of 3.*the person who was followed is not .*person_id .0.*skip"):
        choose(frames, "leftmost")
    with pytest.raises(ValueError, match=r"nobody has the person_id 7 among \[0, 4\]"):
        choose(frames, "id", 7)


def test_a_chosen_person_says_alone_in_which_order_the_points_are():
    """Of whom few points are there, only the others told the order; the output has OpenPose's keys beside the body."""
    frame = crowd(0, 30)
    for person in frame["people"]:
        for key in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"):
            del person[key]
    few = np.array(frame["people"][1]["pose_keypoints_2d"]).reshape(18, 3)
    few[[3, 4, 6, 7, 9, 10, 12, 13, 14, 15, 16]] = 0
    frame["people"][1]["pose_keypoints_2d"] = few.ravel().tolist()
    assert len(reading.read_pose_keypoints(choose(frame, "rightmost"))) == 1


def test_choose_person_takes_core_s_sam_3d_body():
    points = np.array(load("a_pose")[0]["people"][0]["pose_keypoints_2d"]).reshape(18, 3)[:, :2]
    flat = np.zeros((70, 2), np.float32)
    goliath = (0, 15, 14, 17, 16, 5, 2, 6, 3, 11, 8, 12, 9, 13, 10)
    flat[: len(goliath)], flat[[41, 62, 69]] = points[list(goliath)], points[[4, 7, 1]]
    space = np.hstack([flat / 250, np.arange(70)[:, None] / 100]).astype(np.float32)
    body = {
        "frames": [[{"pred_keypoints_2d": flat, "pred_keypoints_3d": space}]], "image_size": (512, 352),
        "faces": np.zeros((1, 3)), "canonical_colors": None, "hand_vert_mask": None,
    }  # fmt: skip
    (pose,) = reading.read_pose_keypoints(choose(body))
    np.testing.assert_allclose(pose.points, points, atol=1e-3)
    assert pose.keypoints_3d[4, 2] == pytest.approx(0.41)


def test_choose_person_names_its_input():
    with pytest.raises(ValueError, match="^Choose Person: input 'pose': Key points must be"):
        choose(NOT_KEY_POINTS)
