"""Load Pose and Save Pose: bundled poses, files of the input folder, one's own."""

import errno
import importlib
import json
import os

import folder_paths
import numpy as np
import pytest
from pose_nodes import BUNDLED, NOT_KEY_POINTS, load, nodes, points, reading

pose_files = importlib.import_module("cfld_pack.nodes.pose_files")


@pytest.fixture
def input_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def own_poses(tmp_path_factory, monkeypatch):
    user = tmp_path_factory.mktemp("user")
    monkeypatch.setattr(folder_paths, "user_directory", str(user))
    return user / "default" / "cfld" / "poses"


def test_pose_names_list_bundled_poses_before_the_user_s(input_folder):
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


def test_a_pose_saved_under_a_taken_number_takes_the_next(own_poses, monkeypatch):
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
