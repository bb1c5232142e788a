"""Draw Pose and Pose Editor by their `execute` in the real host."""

import importlib
import json

import numpy as np
import pytest
import torch
from pose_nodes import BUNDLED, NOT_KEY_POINTS, load, nodes, points, reading, result

pose_drawing = importlib.import_module("cfld_pack.cfld_modules.poses.pose_drawing")
pose_maps = importlib.import_module("cfld_pack.cfld_modules.poses.pose_maps")


def as_batch(drawings):
    return torch.from_numpy(np.stack(drawings)).float() / 255.0


@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_draws_one_picture_a_frame(style):
    frames = [load(name)[0] for name in BUNDLED[:2]]
    image, = result(nodes.CFLDDrawPose, frames, 120, 200, style)
    assert image.shape == (2, 200, 120, 3) and image.dtype == torch.float32
    poses = reading.read_pose_keypoints(frames)
    assert torch.equal(image, as_batch([pose_drawing.draw_pose_in_style(pose, 120, 200, style) for pose in poses]))
    assert not torch.equal(image[0], image[1])


def test_the_two_styles_differ_in_thickness():
    cfld, openpose = (result(nodes.CFLDDrawPose, load("a_pose"), 352, 512, style)[0] for style in ("cfld", "openpose"))
    assert (cfld.amax(-1) > 0).sum() < (openpose.amax(-1) > 0).sum()


def test_drawing_a_frame_of_two_people_draws_the_larger():
    small, large = load(BUNDLED[0])[0], load(BUNDLED[1])[0]
    shrunk = np.array(small["people"][0]["pose_keypoints_2d"]).reshape(-1, 3) * (0.2, 0.2, 1.0)
    both = large | {"people": [{"pose_keypoints_2d": shrunk.ravel().tolist()}, *large["people"]]}
    drawn, alone = (result(nodes.CFLDDrawPose, frames, 88, 128, "cfld")[0] for frames in ([both], [large]))
    assert torch.equal(drawn, alone)


@pytest.mark.parametrize("pose", [NOT_KEY_POINTS, [], [{"people": [], "canvas_width": 8, "canvas_height": 8}]])
def test_draw_pose_names_itself_and_its_input(pose):
    with pytest.raises(ValueError, match=r"^Draw Pose: input 'pose': Key points"):
        nodes.CFLDDrawPose.execute(pose, 64, 64, "cfld")


def test_the_editor_gives_what_is_drawn_on_its_canvas():
    frames = [load(name)[0] for name in BUNDLED[:2]]
    pose, image = result(nodes.CFLDPoseEditor, json.dumps(frames), 704, 1024)
    assert [(frame["canvas_width"], frame["canvas_height"]) for frame in pose] == [(704, 1024)] * 2
    np.testing.assert_allclose(points(pose), 2 * np.array(points(frames)), rtol=0, atol=1e-9)
    expected = [pose_maps.draw_pose(one, 704, 1024) for one in reading.read_pose_keypoints(pose)]
    assert torch.equal(image, as_batch(expected))
    again, _ = result(nodes.CFLDPoseEditor, json.dumps(frames), 704, 1024)
    assert again == pose


def test_another_aspect_is_centred_and_never_squashed():
    pose, _ = result(nodes.CFLDPoseEditor, json.dumps(load("a_pose")), 1024, 512)
    np.testing.assert_allclose(points(pose), np.array(points(load("a_pose"))) + [(1024 - 352) / 2, 0], atol=1e-9)


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_the_connected_pose_is_used_while_nothing_is_drawn(empty):
    pose, image = result(nodes.CFLDPoseEditor, empty, 352, 512, pose=load("sitting_on_chair_front"))
    assert pose == load("sitting_on_chair_front") and image.shape == (1, 512, 352, 3)


def test_of_several_people_the_chosen_one_is_passed_on():
    """One person, with the third dimension; the widget gets everybody."""
    (large,), (small,) = load("standing_front"), load("waving")
    small["people"][0]["pose_keypoints_2d"] = [
        number / 2 if index % 3 < 2 else number for index, number in enumerate(small["people"][0]["pose_keypoints_2d"])
    ]
    x_y = np.array(small["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    metres = np.column_stack([x_y[:, :2] / 100, np.linspace(0, 0.2, 18), np.ones(18)]).ravel().tolist()
    other = {**small["people"][0], "pose_keypoints_3d": metres, "chosen": True}
    frame = {**large, "people": [large["people"][0], other]}
    pose, _ = result(nodes.CFLDPoseEditor, json.dumps([frame]), 352, 512)
    np.testing.assert_array_equal(points(pose), points([small]))
    assert pose[0]["people"][0]["pose_keypoints_3d"] == metres
    score = np.float32(1)  # as the frames of other nodes have it
    other["hand_left_keypoints_2d"] = [3.0, 4.0, score] * 21
    output = nodes.CFLDPoseEditor.execute("", 352, 512, pose=[frame])
    hand = output.result[0][0]["people"][0]["hand_left_keypoints_2d"]
    assert output.result[0][0]["people"][0]["pose_keypoints_3d"] == metres
    (offered,) = json.loads(output.ui["pose_json"][0])
    assert [person.get("chosen") for person in offered["people"]] == [None, True]
    assert offered["people"][1]["pose_keypoints_2d"] == small["people"][0]["pose_keypoints_2d"]
    assert hand == offered["people"][1]["hand_left_keypoints_2d"] and len(hand) == 63


def test_hands_follow_the_pose_onto_the_canvas_and_draw_pose_draws_them():
    (frame,) = load("waving")
    person = frame["people"][0] | {"hand_right_keypoints_2d": [100.0, 50.0, 0.5, 110.0, 60.0, 0.5] + [0.0] * 57}
    pose, _ = result(nodes.CFLDPoseEditor, json.dumps([{**frame, "people": [person]}]), 704, 512)
    assert pose[0]["people"][0]["hand_right_keypoints_2d"][:6] == [276.0, 50.0, 0.5, 286.0, 60.0, 0.5]
    with_hand, without = (
        result(nodes.CFLDDrawPose, frames, 704, 512, "openpose")[0]
        for frames in (pose, [{**pose[0], "people": [pose[0]["people"][0] | {"hand_right_keypoints_2d": []}]}])
    )
    ys, xs = np.nonzero((with_hand != without).any(dim=-1)[0].numpy())
    assert xs.min() >= 270 and xs.max() <= 292 and ys.min() >= 44 and ys.max() <= 66


def test_metres_that_do_not_lie_over_the_picture_are_named():
    (frame,) = load("waving")
    frame["people"][0]["pose_keypoints_3d"] = [1.0, 2.0]
    with pytest.raises(ValueError, match=r"^Pose Editor: input 'pose_json': .* pose_keypoints_3d: must be"):
        nodes.CFLDPoseEditor.execute(json.dumps([frame]), 352, 512)


def test_what_is_drawn_comes_before_what_is_connected():
    drawn = json.dumps(load("a_pose"))
    assert result(nodes.CFLDPoseEditor, drawn, 352, 512, pose=load("sitting_on_chair_front"))[0] == load("a_pose")
    assert result(nodes.CFLDPoseEditor, drawn, 352, 512, pose=NOT_KEY_POINTS)[0] == load("a_pose")


@pytest.mark.parametrize("given", [lambda frames: frames, lambda frames: frames[0], str, lambda frames: str(frames[0])])
def test_pose_json_as_an_object_or_as_the_text_the_host_makes_of_one(given):
    assert result(nodes.CFLDPoseEditor, given(load("waving")), 352, 512)[0] == load("waving")


def test_a_background_of_another_aspect_is_whole_and_in_the_middle():
    frame = load(BUNDLED[0])
    _, plain = result(nodes.CFLDPoseEditor, json.dumps(frame), 88, 128)
    _, image = result(nodes.CFLDPoseEditor, json.dumps(frame), 88, 128, background=torch.ones(1, 30, 60, 3))
    rows = (image[0] * (plain[0] == 0)).amax(dim=(1, 2)) > 0.5  # 88 x 44 in the middle of 88 x 128
    assert rows[42:86].all() and not rows[:42].any() and not rows[86:].any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("pictures", "behind"), [(1, (0, 0, 0)), (2, (0, 1, 1)), (5, (0, 1, 2))])
def test_the_background_lies_behind_the_drawing(channels, pictures, behind):
    frames = [load(name)[0] for name in BUNDLED[:3]]
    background = (torch.arange(1, pictures + 1) / 10)[:, None, None, None].expand(pictures, 64, 44, channels)
    _, plain = result(nodes.CFLDPoseEditor, json.dumps(frames), 88, 128)
    pose, image = result(nodes.CFLDPoseEditor, json.dumps(frames), 88, 128, background=background)
    assert image.shape == (3, 128, 88, 3)
    for drawn, picture, number in zip(plain, image, behind, strict=True):
        ink = drawn.amax(-1) > 0
        assert torch.equal(picture[ink], drawn[ink])
        expected = torch.full_like(picture[~ink], (number + 1) / 10)
        torch.testing.assert_close(picture[~ink], expected, rtol=0, atol=0.51 / 255)


@pytest.mark.parametrize("text", ["{", "[]", "null", '[{"people": []}]', '[{"people": [{"pose_keypoints_2d": [1]}]}]'])
def test_bad_pose_json_is_named(text):
    with pytest.raises(ValueError, match=r"^Pose Editor: input 'pose_json': "):
        nodes.CFLDPoseEditor.execute(text, 352, 512)


def test_a_bad_connected_pose_is_named():
    with pytest.raises(ValueError, match=r"^Pose Editor: input 'pose': Key points must be"):
        nodes.CFLDPoseEditor.execute("", 352, 512, pose=NOT_KEY_POINTS)


def test_an_empty_editor_says_what_to_do():
    with pytest.raises(ValueError, match=r"^Pose Editor: input 'pose_json' is empty; draw a pose, paste .* connect"):
        nodes.CFLDPoseEditor.execute("", 352, 512)
