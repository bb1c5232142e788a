"""Detect Pose in the real host: controlnet_aux's own network code, with weights that are made here, and BlazePose.

BlazePose's own networks are used where one of its files is in `annotators` in the host's models, or in the folder of
models that the environment variable CFLD_MODELS names.
"""

import importlib
import importlib.util
import logging
import os
import sys
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
import host
import numpy as np
import pytest
import torch
from PIL import Image

host.import_by_path("cfld_pack", host.PACK / "__init__.py")
nodes = importlib.import_module("cfld_pack.nodes")
reading = importlib.import_module("cfld_pack.cfld_modules.poses.reading")
keypoints = importlib.import_module("cfld_pack.cfld_modules.poses.keypoints")
blazepose_file = importlib.import_module("cfld_pack.cfld_modules.checkpoints.blazepose_file")
blazepose_network = importlib.import_module("cfld_pack.cfld_modules.poses.detection.blazepose")
detectors = importlib.import_module("cfld_pack.nodes.host.detectors")

MODELS = Path(os.environ.get("CFLD_MODELS", folder_paths.models_dir)) / "annotators"
BLAZEPOSE = next((file for pattern in blazepose_file.FILES for file in MODELS.glob(pattern)), None)
DATA = Path(__file__).parents[1] / "data"
PHOTO = DATA / "astronaut.jpg"
SMALLEST = DATA / "smallest_blazepose.task"
"""Networks in the place of BlazePose's, which see nobody."""
BLANK = torch.zeros(1, 64, 64, 3)

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("controlnet_aux") is None,
    reason="controlnet_aux is not installed in the host's Python: python -m pip install controlnet_aux",
)
needs_blazepose = pytest.mark.skipif(
    BLAZEPOSE is None, reason=f"BlazePose is not in {MODELS}: {blazepose_file.how_to_get(MODELS)}"
)


@pytest.fixture(autouse=True)
def annotators(tmp_path, monkeypatch):
    """models/annotators and the Hugging Face cache, both empty."""
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "annotators", ([str(tmp_path)], set()))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    """(the module, a file with its weights)"""
    pytest.importorskip("controlnet_aux")
    module = importlib.import_module("dot_network")
    return module, module.save(tmp_path_factory.mktemp("dots"), module.dot_state())


def detect(image, *settings):
    return nodes.CFLDDetectPose.execute(image, *settings).result[0]


def photograph():
    return torch.from_numpy(np.array(Image.open(PHOTO).convert("RGB"))).float()[None] / 255.0


def points_of(person, frame):
    return reading.read_pose_keypoints(frame | {"people": [person]})[0].points


@needs_package
def test_finds_everybody_in_every_image(annotators, dots, caplog, monkeypatch):
    network, weights = dots
    (annotators / weights.name).symlink_to(weights)
    progress = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda done, total, *_, **__: progress.append((done, total)))
    left, right = network.STANDING + (20, 30), network.STANDING + (450, 130)
    right[4] = np.nan
    people = network.picture([left, right], 800, 660)
    with caplog.at_level(logging.WARNING, "cfld"):
        found, nobody = detect(torch.cat([people, torch.zeros_like(people)]))
    assert (found["canvas_width"], found["canvas_height"]) == (800, 660)
    assert len(found["people"]) == 2
    for person, joints in zip(sorted(found["people"], key=lambda one: one["pose_keypoints_2d"][0]), (left, right),
                              strict=True):
        np.testing.assert_allclose(points_of(person, found), joints, rtol=0, atol=18)  # 660 / 184 * 8 / 2 and a bit
    assert nobody == {"people": [], "canvas_width": 800, "canvas_height": 660}
    assert caplog.messages == ["Detect Pose: nobody was found in image 2 of 2"]
    assert progress == [(1, 2), (2, 2)]


@needs_package
def test_a_photograph_and_random_weights(annotators, dots):
    network, _ = dots
    network.save(annotators, network.random_state())
    photo = photograph()
    frame, = detect(photo)
    assert (frame["canvas_width"], frame["canvas_height"]) == (photo.shape[2], photo.shape[1])
    assert frame["people"], "random weights that find nobody test nothing"
    for person in frame["people"]:
        x, y = points_of(person, frame).T
        assert np.nanmin(x) >= 0 and np.nanmax(x) < photo.shape[2]
        assert np.nanmin(y) >= 0 and np.nanmax(y) < photo.shape[1]


@needs_package
def test_weights_from_the_hub_cache(annotators, dots):
    network, weights = dots
    repository = annotators / "hub" / "models--lllyasviel--Annotators"
    (repository / "snapshots" / "0a1b").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    (repository / "snapshots" / "0a1b" / weights.name).symlink_to(weights)
    frame, = detect(network.picture([network.STANDING + (20, 30)], 320, 640))
    assert len(frame["people"]) == 1


@needs_package
def test_an_interrupt_stops_between_images(annotators, dots):
    (annotators / dots[1].name).symlink_to(dots[1])
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        detect(BLANK)


@needs_package
def test_a_missing_file_says_what_to_put_where(annotators):
    with pytest.raises(ValueError) as caught:
        detect(BLANK, "openpose")
    message = str(caught.value)
    assert message.startswith(
        "Detect Pose: body_pose_model.pth, from https://huggingface.co/lllyasviel/Annotators, is not in "
        "models/annotators; it needs the package controlnet_aux, too. Or set another detector;"
    )
    assert "SDPose Keypoint Extractor" in message and "DWPose Estimator" in message


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be run",))


@needs_package
@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"", {"other": torch.zeros(1)}, [1.0], RunsCode()])
def test_a_file_that_is_not_openpose_s_network_is_refused(annotators, content, capsys):
    path = annotators / "body_pose_model.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match="is not the OpenPose body network or is damaged; download"):
        detect(BLANK)
    assert not capsys.readouterr().out


def test_weights_without_the_package_say_how_to_install_it(annotators, monkeypatch):
    (annotators / "body_pose_model.pth").touch()
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)
    with pytest.raises(ValueError, match="Detect Pose: the package controlnet_aux cannot be imported") as caught:
        detect(BLANK, "openpose")
    assert "'python -m pip install controlnet_aux'" in str(caught.value)
    assert "SDPose Keypoint Extractor" in str(caught.value)


# --- Which detector ---------------------------------------------------------------------------------------------------


def test_with_no_detector_both_ways_are_told(annotators):
    with pytest.raises(ValueError) as caught:
        detect(BLANK)
    message = str(caught.value)
    assert message.startswith("Detect Pose: no detector is there; not openpose: body_pose_model.pth, from https://")
    assert "controlnet_aux" in message and message.endswith(f"; not blazepose: {missing(annotators)}")
    assert len(message) - len(str(annotators)) < 400


def missing(folder):
    return f"no file of BlazePose's is there; get it by: {blazepose_file.how_to_get(folder)}"


def test_a_missing_blazepose_says_what_to_type(annotators):
    with pytest.raises(ValueError) as caught:
        detect(BLANK, "blazepose")
    assert str(caught.value).startswith(f"Detect Pose: {missing(annotators)}. Or set another detector;")


def test_a_damaged_blazepose_is_named_and_nothing_else_taken(annotators):
    (annotators / "blazepose.safetensors").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match="^Detect Pose: .* does not hold BlazePose's networks or is damaged"):
        detect(BLANK)


@needs_package
def test_auto_with_both_detectors_takes_openpose_and_says_so(annotators, dots):
    network, weights = dots
    (annotators / weights.name).symlink_to(weights)
    (annotators / "blazepose.safetensors").write_bytes(b"not read")
    result = nodes.CFLDDetectPose.execute(network.picture([network.STANDING + (20, 30)], 320, 640))
    assert len(result.result[0][0]["people"]) == 1
    assert result.ui["text"][0] == "Detect Pose: detector auto took openpose"


def test_auto_says_which_one_it_took_and_why_not_the_other(annotators, monkeypatch):
    (annotators / SMALLEST.name).symlink_to(SMALLEST)
    said = nodes.CFLDDetectPose.execute(BLANK).ui["text"][0]
    assert said.startswith("Detect Pose: detector auto took blazepose; not openpose: body_pose_model.pth, from http")
    (annotators / "body_pose_model.pth").touch()
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)
    said = nodes.CFLDDetectPose.execute(BLANK).ui["text"][0]
    assert "auto took blazepose; not openpose: the package controlnet_aux cannot be imported" in said
    said = nodes.CFLDDetectPose.execute(BLANK, "blazepose").ui["text"]
    assert said == ["Detect Pose: nobody was found in image 1 of 1"]


# --- BlazePose --------------------------------------------------------------------------------------------------------


def test_what_was_read_of_a_file_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    file, reads, read = tmp_path / "x", [], detectors._read_blazepose
    monkeypatch.setattr(blazepose_file, "read_blazepose", lambda file: reads.append(file) or file.read_text())
    file.write_text("first")
    assert (read(file), read(file), len(reads)) == ("first", "first", 1)
    file.write_text("other")
    os.utime(file, (1, 1))
    assert (read(file), read(file), len(reads)) == ("other", "other", 2)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read(file)


def test_networks_are_read_once_for_several_runs(annotators, monkeypatch):
    (annotators / SMALLEST.name).write_bytes(SMALLEST.read_bytes())
    detect(BLANK, "blazepose")
    monkeypatch.setattr(blazepose_file, "_read_zip", lambda file: pytest.fail("it was read again"))
    assert detect(torch.ones(1, 9, 9, 3), "blazepose")[0]["people"] == []


def test_cancel_is_heeded_between_two_tiles(annotators, monkeypatch):
    (annotators / SMALLEST.name).symlink_to(SMALLEST)
    looks, run = [], blazepose_network._detect

    def look(*arguments):
        looks.append(arguments)
        if len(looks) == 5:
            comfy.model_management.interrupt_current_processing()
        return run(*arguments)

    monkeypatch.setattr(blazepose_network, "_detect", look)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        detect(torch.zeros(1, 600, 800, 3), "blazepose")
    assert len(looks) == 5, "88 of a picture in which nobody is"


@pytest.fixture
def blazepose(annotators):
    (annotators / BLAZEPOSE.name).symlink_to(BLAZEPOSE)


@needs_blazepose
def test_half_a_person_in_a_photograph(blazepose, monkeypatch):
    progress = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda done, total, *_, **__: progress.append((done, total)))
    photo = photograph()
    frames, masks = nodes.CFLDDetectPose.execute(torch.cat([photo, photo.flip(2)]), "auto").result
    assert masks.shape == (2, *photo.shape[1:3]) and progress == [(1, 2), (2, 2)]
    poses = reading.read_pose_keypoints(frames)
    for pose, frame, mask in zip(poses, frames, masks, strict=True):
        assert len(frame["people"]) == 1
        assert pose.visible[[0, 1, 2, 5, 14, 15]].all(), "head and shoulders"
        assert not pose.visible[[9, 10, 12, 13]].any(), "knees and ankles are not in the picture"
        x, y = pose.points[0].astype(int)
        assert mask[y, x] > 0.9 and 0.3 < mask.mean() < 0.8
        metres = np.reshape(frame["people"][0]["pose_keypoints_3d"], (18, 4))
        assert 0.2 < np.linalg.norm(metres[2, :3] - metres[5, :3]) < 0.5, "shoulders, in metres"
        np.testing.assert_array_equal(metres[:, 3] > 0, pose.visible)
    mirrored = poses[1].points[list(keypoints.MIRROR)]
    mirrored[:, 0] = photo.shape[2] - 1 - mirrored[:, 0]
    assert np.nanmax(np.abs(mirrored[[0, 1, 2, 5]] - poses[0].points[[0, 1, 2, 5]])) < 0.05 * photo.shape[1]


@needs_blazepose
def test_nobody_in_an_empty_picture(blazepose, caplog):
    (frame,), mask = nodes.CFLDDetectPose.execute(torch.full((1, 120, 200, 3), 0.5), "blazepose").result
    assert frame == {"people": [], "canvas_width": 200, "canvas_height": 120}
    assert mask.shape == (1, 120, 200) and not mask.any()
    assert "Detect Pose: nobody was found in image 1 of 1" in caplog.messages
