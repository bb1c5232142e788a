"""Detect Pose in the real host: controlnet_aux's own network code, with weights that are made here, and BlazePose.

BlazePose's own networks are used where `python -m cfld_modules get blazepose` put them, into the host's models or into
the folder of models that the environment variable CFLD_MODELS names.
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

MODELS = Path(os.environ.get("CFLD_MODELS", folder_paths.models_dir))
BLAZEPOSE = MODELS / "annotators" / blazepose_file.BLAZEPOSE_FILE
PHOTO = Path(__file__).parents[1] / "data" / "astronaut.jpg"
BLANK = torch.zeros(1, 64, 64, 3)

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("controlnet_aux") is None,
    reason="controlnet_aux is not installed in the host's Python: python -m pip install controlnet_aux",
)
needs_blazepose = pytest.mark.skipif(
    not BLAZEPOSE.exists(), reason=f"{BLAZEPOSE} is not there: python -m cfld_modules get blazepose --models {MODELS}"
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
        detect(BLANK, "openpose", True)
    message = str(caught.value)
    assert message.startswith("Detect Pose: body_pose_model.pth was not found. Put it into " + str(annotators))
    assert "https://huggingface.co/lllyasviel/Annotators" in message
    assert "SDPose Keypoint Extractor" in message and "DWPose Estimator" in message


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be run",))


@needs_package
@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"", {"other": torch.zeros(1)}, [1.0], RunsCode()])
def test_another_file_is_refused(annotators, content, capsys):
    path = annotators / "body_pose_model.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match="is not the OpenPose body network or is damaged; download"):
        detect(BLANK)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("is_there", [True, False])
def test_without_the_package(annotators, monkeypatch, is_there):
    if is_there:
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
    assert message.startswith("Detect Pose: input 'detector' is auto, but no detector is in " + str(annotators))
    assert "python -m cfld_modules get blazepose" in message and "download_if_missing" in message
    assert "body_pose_model.pth" in message and "controlnet_aux" in message
    assert len(message) - len(str(annotators)) < 450


def test_a_missing_blazepose_says_how_to_get_it(annotators, dots):
    (annotators / dots[1].name).symlink_to(dots[1])
    with pytest.raises(ValueError, match="Pose: blazepose.safetensors is not in .*: set download_if_missing, or"):
        detect(BLANK, "blazepose")


def test_a_damaged_blazepose_is_named_and_nothing_else_taken(annotators):
    (annotators / BLAZEPOSE.name).write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match="^Detect Pose: .* does not hold BlazePose's networks or is damaged"):
        detect(BLANK)


@needs_package
def test_auto_takes_openpose_first(annotators, dots):
    network, weights = dots
    (annotators / weights.name).symlink_to(weights)
    (annotators / BLAZEPOSE.name).write_bytes(b"not read")
    frame, = detect(network.picture([network.STANDING + (20, 30)], 320, 640))
    assert len(frame["people"]) == 1


# --- BlazePose --------------------------------------------------------------------------------------------------------


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
    mirrored = keypoints.mirror(poses[1]).points
    assert np.nanmax(np.abs(mirrored[[0, 1, 2, 5]] - poses[0].points[[0, 1, 2, 5]])) < 0.05 * photo.shape[1]


@needs_blazepose
def test_nobody_in_an_empty_picture(blazepose, caplog):
    (frame,), mask = nodes.CFLDDetectPose.execute(torch.full((1, 120, 200, 3), 0.5), "blazepose").result
    assert frame == {"people": [], "canvas_width": 200, "canvas_height": 120}
    assert mask.shape == (1, 120, 200) and not mask.any()
    assert "Detect Pose: nobody was found in image 1 of 1" in caplog.messages
