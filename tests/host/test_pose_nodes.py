"""Load Pose, Save Pose, Choose Person, Draw Pose, Pose Editor and Retarget Pose by their `execute` in the real host."""

import errno
import importlib
import json
import os

import folder_paths
import host
import numpy as np
import pytest
import torch

pack = host.import_by_path("cfld_pack", host.PACK / "__init__.py")
nodes = importlib.import_module("cfld_pack.nodes")
keypoints = importlib.import_module("cfld_pack.cfld_modules.poses.keypoints")
pose_files = importlib.import_module("cfld_pack.nodes.pose_files")
pose_drawing = importlib.import_module("cfld_pack.cfld_modules.poses.pose_drawing")
pose_maps = importlib.import_module("cfld_pack.cfld_modules.poses.pose_maps")
reading = importlib.import_module("cfld_pack.cfld_modules.poses.reading")

BUNDLED = sorted(path.stem for path in (host.PACK / "web" / "poses").glob("*.json"))
NOT_KEY_POINTS = torch.zeros(1, 8, 8, 3)


@pytest.fixture
def input_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def own_poses(tmp_path_factory, monkeypatch):
    user = tmp_path_factory.mktemp("user")
    monkeypatch.setattr(folder_paths, "user_directory", str(user))
    return user / "default" / "cfld" / "poses"


def result(node, *arguments, **named):
    return node.execute(*arguments, **named).result


def load(name):
    return result(nodes.CFLDLoadPose, name)[0]


def points(frames):
    return [pose.points for pose in reading.read_pose_keypoints(frames)]


def as_batch(drawings):
    return torch.from_numpy(np.stack(drawings)).float() / 255.0


# --- Load Pose --------------------------------------------------------------------------------------------------------


def test_bundled_poses_come_first(input_folder):
    (input_folder / "mine").mkdir()
    for name in ("b.json", "a.json", "mine/c.json", "picture.png"):
        (input_folder / name).touch()
    assert len(BUNDLED) >= 24
    assert pose_files.pose_names() == [*BUNDLED, "a.json", "b.json", "mine/c.json"]
    pose_input, = nodes.CFLDLoadPose.define_schema().inputs
    assert pose_input.options == pose_files.pose_names()


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_pose_is_one_whole_person(name):
    frame, = load(name)
    assert (frame["canvas_width"], frame["canvas_height"]) == (352, 512)
    pose, = reading.read_pose_keypoints(frame)
    assert pose.visible.sum() >= 12
    assert nodes.CFLDLoadPose.validate_inputs(name) is True


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_of_several_frames(input_folder, encoding):
    (input_folder / "mine").mkdir()
    frames = [load(name)[0] for name in BUNDLED[:3]]
    (input_folder / "mine" / "three.json").write_text(json.dumps(frames), encoding=encoding)
    assert nodes.CFLDLoadPose.validate_inputs("mine/three.json") is True
    np.testing.assert_array_equal(points(load("mine/three.json")), points(frames))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_in_any_unicode(input_folder, encoding):
    (input_folder / "pose.json").write_text(json.dumps({"ä": load("a_pose")}, ensure_ascii=False), encoding=encoding)
    assert load("pose.json") == load("a_pose")


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"[{}]", "ä".encode("utf-16"), bytes(range(256)), b"\xff\xd8\xff\xe0"]
)
def test_a_file_that_is_no_pose_is_named(input_folder, content):
    (input_folder / "bad.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"^Load Pose: input 'pose': 'bad\.json': "):
        load("bad.json")


@pytest.mark.parametrize("node", [nodes.CFLDLoadPose.validate_inputs, load])
@pytest.mark.parametrize("name", ["gone.json", "gone", "../outside.json", "{folder}/../outside.json", "x\0.json", ""])
def test_an_unknown_pose_is_refused_before_anything_runs(input_folder, name, node):
    (input_folder.parent / "outside.json").write_text(json.dumps(load("a_pose")))
    with pytest.raises(ValueError, match="^Load Pose: input 'pose': '.*' is neither a bundled pose nor a .json file"):
        node(name.format(folder=input_folder))


@pytest.mark.parametrize("node", [nodes.CFLDLoadPose.validate_inputs, load])
@pytest.mark.parametrize(("name", "words"), [
    ("folder.json", "is a folder; choose"), ("dangling.json", "is a link to a file that is not there any more; put"),
    ("outside.json", "is a link that leads out of ComfyUI's input folder; put"), ("y" * 240 + ".json", "is neither"),
])
def test_what_is_no_file_of_the_input_folder_is_not_listed_and_named(input_folder, name, words, node):
    outside = input_folder.parent / "secret.json"
    outside.write_text(json.dumps(load("a_pose")))
    (input_folder / "folder.json").mkdir()
    (input_folder / "dangling.json").symlink_to(input_folder / "gone.json")
    (input_folder / "outside.json").symlink_to(outside)
    assert pose_files.pose_names() == BUNDLED
    with pytest.raises(ValueError, match=f"^Load Pose: input 'pose': '{name}' {words}") as raised:
        node(name)
    assert len(str(raised.value)) <= 500


def test_an_input_folder_behind_a_link_and_endings_in_capitals(input_folder, tmp_path_factory, monkeypatch):
    link = tmp_path_factory.mktemp("link") / "input"
    link.symlink_to(input_folder)
    monkeypatch.setattr(folder_paths, "input_directory", str(link))
    (input_folder / "real.JSON").write_text(json.dumps(load("a_pose")))
    (input_folder / "inside.Json").symlink_to(input_folder / "real.JSON")
    assert pose_files.pose_names() == [*BUNDLED, "inside.Json", "real.JSON"]
    assert load("inside.Json") == load("real.JSON") == load("a_pose")


def test_a_pose_by_wire_is_checked_when_it_runs(input_folder):
    assert nodes.CFLDLoadPose.validate_inputs(pose=None, input_types={"pose": "STRING"}) is True
    before = nodes.CFLDLoadPose.fingerprint_inputs(None)
    (input_folder / "new.json").write_text("[]")
    assert nodes.CFLDLoadPose.fingerprint_inputs(None) != before
    for wrong in (None, 3, NOT_KEY_POINTS):
        with pytest.raises(ValueError, match="^Load Pose: input 'pose': '.*' is neither a bundled pose") as raised:
            load(wrong)
        assert len(str(raised.value)) <= 500


def test_fingerprint_of_a_wire_with_many_poses_lists_each_folder_once(input_folder, own_poses, monkeypatch):
    own_poses.mkdir(parents=True)
    for number in range(50):
        for folder in (input_folder, own_poses):
            (folder / f"{number}.json").write_text("[]")
    listing, folders = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda folder: folders.append(folder) or listing(folder))
    fingerprint = nodes.CFLDLoadPose.fingerprint_inputs(None)
    assert len(folders) == 3 and len(fingerprint) < 100
    for folder in (input_folder, own_poses):
        os.utime(folder / "49.json", (1, 1))
        assert fingerprint != (fingerprint := nodes.CFLDLoadPose.fingerprint_inputs(None))


def test_an_own_pose_behind_a_link_is_listed_and_loaded(own_poses, tmp_path):
    own_poses.mkdir(parents=True)
    (tmp_path / "elsewhere.json").write_text(json.dumps(load("a_pose")))
    (own_poses / "linked.json").symlink_to(tmp_path / "elsewhere.json")
    (own_poses / "folder.json").mkdir()
    assert "my poses/linked" in pose_files.pose_names() and "my poses/folder" not in pose_files.pose_names()
    assert load("my poses/linked") == load("a_pose")


@pytest.mark.parametrize("name", ["my poses/../../outside", "my poses/{folder}/outside", "my poses/gone", "x.json"])
def test_a_name_that_is_in_no_list_is_refused(own_poses, name):
    own_poses.mkdir(parents=True)
    (own_poses.parents[1] / "outside.json").write_text(json.dumps(load("a_pose")))
    with pytest.raises(ValueError, match="^Load Pose: input 'pose': '.*' is neither a bundled pose nor a .json file"):
        load(name.format(folder=own_poses.parents[1]))


def test_a_changed_file_is_read_again(input_folder):
    path = input_folder / "pose.json"
    path.write_text("[]")
    before = nodes.CFLDLoadPose.fingerprint_inputs("pose.json")
    assert before == nodes.CFLDLoadPose.fingerprint_inputs("pose.json")
    os.utime(path, (1, 1))
    assert before != nodes.CFLDLoadPose.fingerprint_inputs("pose.json")


# --- Save Pose --------------------------------------------------------------------------------------------------------


def save(frames, prefix):
    """Saves, and gives the name under which Load Pose lists it."""
    (name,) = nodes.CFLDSavePose.execute(frames, prefix).ui.as_dict()["text"]
    assert name in pose_files.pose_names() and nodes.CFLDLoadPose.validate_inputs(name) is True
    return name


def test_what_is_saved_is_listed_and_loaded(own_poses, input_folder):
    frames = [load(name)[0] for name in BUNDLED[:2]]
    assert save(frames, "dance/step") == "my poses/dance/step_00001"
    np.testing.assert_array_equal(points(load("my poses/dance/step_00001")), points(frames))
    assert pose_files.pose_names() == [*BUNDLED, "my poses/dance/step_00001"]


def test_everybody_and_every_key_is_kept(own_poses):
    frame = load("a_pose")[0] | {"people": [*load("a_pose")[0]["people"], *load("waving")[0]["people"]]}
    frame["people"][0]["pose_keypoints_3d"] = [0.5] * 72
    save(frame, "two")
    assert json.loads((own_poses / "two_00001.json").read_text()) == frame


def test_nothing_is_overwritten(own_poses, monkeypatch):
    names = [save(load(name), "pose") for name in BUNDLED[:3]]
    assert [name[-5:] for name in names] == ["00001", "00002", "00003"]
    (own_poses / "pose_00002.json").unlink()
    link = os.link

    def somebody_was_faster(unfinished, file):
        if file.name == "pose_00004.json":
            file.write_text("theirs")
        link(unfinished, file)

    monkeypatch.setattr(os, "link", somebody_was_faster)
    assert save(load("a_pose"), "pose") == "my poses/pose_00005"
    assert (own_poses / "pose_00004.json").read_text() == "theirs"
    assert not list(own_poses.glob("*.part"))


def test_numpy_s_numbers_are_saved_as_json(own_poses):
    frame = load("a_pose")[0]
    numbers = frame["people"][0]["pose_keypoints_2d"]
    for kind in (np.float32, np.float64):
        person = {"pose_keypoints_2d": [kind(number) for number in numbers]}
        given = [frame | {"people": [person], "canvas_width": np.int64(frame["canvas_width"])}]
        np.testing.assert_allclose(points(load(save(given, "numbers"))), points([frame]), rtol=1e-6)


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only file system")])
def test_a_disk_that_takes_no_pose_is_told(own_poses, monkeypatch, number, words):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ValueError, match=f"^Save Pose: input 'filename_prefix': 'pose' cannot be written: {words}"):
        nodes.CFLDSavePose.execute(load("a_pose"), "pose")
    assert not list(own_poses.rglob("*.*"))


@pytest.mark.parametrize(
    "prefix",
    ["", "../pose", "/tmp/pose", "a/../../b", "a\\b", ".hidden", "a//b", "con:1", "a\n", "x" * 200, "dots.", "姿" * 80],
)
def test_a_prefix_that_leaves_the_folder_is_refused(own_poses, prefix):
    assert nodes.CFLDSavePose.validate_inputs(prefix).startswith("Save Pose: input 'filename_prefix' is '")
    with pytest.raises(ValueError, match="^Save Pose: input 'filename_prefix' is '"):
        nodes.CFLDSavePose.execute(load("a_pose"), prefix)
    assert not own_poses.exists()


@pytest.mark.parametrize("prefix", ["pose", "dance/step 2", "v1.5_x-y", "姿势", None])
def test_a_good_prefix_is_taken(prefix):
    assert nodes.CFLDSavePose.validate_inputs(prefix) is True


def test_save_pose_names_its_input(own_poses):
    with pytest.raises(ValueError, match="^Save Pose: input 'pose': Key points must be"):
        nodes.CFLDSavePose.execute(NOT_KEY_POINTS, "pose")


# --- Choose Person ----------------------------------------------------------------------------------------------------


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


def test_frames_without_anybody():
    empty = load("a_pose")[0] | {"people": []}
    one, other = crowd(0), crowd(40)
    frames = [empty, one, empty, other, empty]
    assert choose(frames, nobody="skip") == [one, other]
    assert choose(frames, nobody="hold") == [one, one, one, other, other]
    with pytest.raises(ValueError, match="^Choose Person: input 'pose': frame 1 of 5 .3 like it.: nobody is in it; s"):
        choose(frames)


@pytest.mark.parametrize("nobody", ["error", "skip", "hold"])
def test_a_person_who_is_nowhere(nobody):
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


# --- Draw Pose --------------------------------------------------------------------------------------------------------


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


def test_draws_the_largest_person():
    small, large = load(BUNDLED[0])[0], load(BUNDLED[1])[0]
    shrunk = np.array(small["people"][0]["pose_keypoints_2d"]).reshape(-1, 3) * (0.2, 0.2, 1.0)
    both = large | {"people": [{"pose_keypoints_2d": shrunk.ravel().tolist()}, *large["people"]]}
    drawn, alone = (result(nodes.CFLDDrawPose, frames, 88, 128, "cfld")[0] for frames in ([both], [large]))
    assert torch.equal(drawn, alone)


@pytest.mark.parametrize("pose", [NOT_KEY_POINTS, [], [{"people": [], "canvas_width": 8, "canvas_height": 8}]])
def test_draw_pose_names_itself_and_its_input(pose):
    with pytest.raises(ValueError, match=r"^Draw Pose: input 'pose': Key points"):
        nodes.CFLDDrawPose.execute(pose, 64, 64, "cfld")


# --- Pose Editor ------------------------------------------------------------------------------------------------------


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


# --- Retarget Pose ----------------------------------------------------------------------------------------------------


def child_of(frames, size=0.6, limbs=0.7):
    """Smaller, with shorter forearms, on a canvas of its own."""
    scaled = []
    for pose in reading.read_pose_keypoints(frames):
        joints = pose.points * size + (30, 90)
        for elbow, wrist in ((3, 4), (6, 7)):
            joints[wrist] = joints[elbow] + limbs * (joints[wrist] - joints[elbow])
        scaled.append(keypoints.Pose(joints, 300, 400))
    return keypoints.write_pose_keypoints(scaled)


def forearm(joints):
    return np.linalg.norm(joints[4] - joints[3])


def test_retargeting_takes_the_reference_s_lengths_and_canvas():
    adult, child = load("waving"), child_of(load("a_pose"))
    frame, = result(nodes.CFLDRetargetPose, adult, child)[0]
    assert (frame["canvas_width"], frame["canvas_height"]) == (300, 400)
    (moved,), (wanted,), (before,) = points([frame]), points(child), points(adult)
    assert forearm(moved) == pytest.approx(forearm(wanted)) != pytest.approx(forearm(before))
    direction = (before[4] - before[3]) / forearm(before)
    np.testing.assert_allclose((moved[4] - moved[3]) / forearm(moved), direction, rtol=0, atol=1e-9)


def test_a_pose_on_its_own_skeleton_stays():
    poses = [load(name)[0] for name in BUNDLED[:4]]
    np.testing.assert_allclose(
        points(result(nodes.CFLDRetargetPose, poses, poses)[0]), points(poses), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("count", "references"), [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_frames_pair_up(count, references):
    names, others = BUNDLED[:count], BUNDLED[-references:]
    both = [load(name)[0] for name in names], child_of([load(name)[0] for name in others])
    retargeted, = result(nodes.CFLDRetargetPose, *both)
    pairs = max(count, references)
    assert len(retargeted) == pairs
    for index, frame in enumerate(retargeted):
        alone, = result(nodes.CFLDRetargetPose, [both[0][index % count]], [both[1][index % references]])
        assert [frame] == alone


def test_frames_that_do_not_pair_up():
    poses = [load(name)[0] for name in BUNDLED[:3]]
    with pytest.raises(ValueError, match="^Retarget Pose: input 'reference' has 2 frames for 3 poses; give one, or as"):
        nodes.CFLDRetargetPose.execute(poses, poses[:2])


@pytest.mark.parametrize("name", ["pose", "reference"])
def test_retarget_pose_names_the_input(name):
    arguments = {"pose": load("waving"), "reference": load("waving"), name: NOT_KEY_POINTS}
    with pytest.raises(ValueError, match=rf"^Retarget Pose: input '{name}': Key points must be"):
        nodes.CFLDRetargetPose.execute(**arguments)


def test_motion_may_follow_the_person():
    pose, = reading.read_pose_keypoints(load("walking_front"))
    walk = [keypoints.Pose(pose.points + (step, 0), 352, 512) for step in (0, 40, 80)]
    frames, child = keypoints.write_pose_keypoints(walk), child_of(load("a_pose"))
    stay, follow = (
        np.array(points(result(nodes.CFLDRetargetPose, frames, child, motion)[0])) for motion in ("stay", "follow")
    )
    np.testing.assert_array_equal(stay, points(result(nodes.CFLDRetargetPose, frames, child)[0]))
    np.testing.assert_allclose(stay[1:], np.stack([stay[0]] * 2), atol=1e-6)
    steps = np.nanmean(follow[1:] - follow[:-1], axis=1)
    np.testing.assert_allclose(steps[0], steps[1], atol=1e-6)
    assert 15 < steps[0, 0] < 35 and abs(steps[0, 1]) < 1e-6


def test_motion_of_several_bodies_is_refused():
    poses = [load(name)[0] for name in BUNDLED[:2]]
    with pytest.raises(ValueError, match="^Retarget Pose: input 'reference' has 2 frames, but motion 'follow' .* give"):
        nodes.CFLDRetargetPose.execute(poses, poses, "follow")
