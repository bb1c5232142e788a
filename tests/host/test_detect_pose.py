"""Detect Pose in the real host: controlnet_aux's own network code, with weights that are made here."""

import importlib
import importlib.util
import logging
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

PHOTO = Path(__file__).parents[1] / "data" / "astronaut.jpg"
BLANK = torch.zeros(1, 64, 64, 3)

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("controlnet_aux") is None,
    reason="controlnet_aux is not installed in the host's Python: python -m pip install controlnet_aux",
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


def detect(image):
    return nodes.CFLDDetectPose.execute(image).result[0]


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
    photo = torch.from_numpy(np.array(Image.open(PHOTO).convert("RGB"))).float()[None] / 255.0
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
        detect(BLANK)
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
        detect(BLANK)
    assert "'python -m pip install controlnet_aux'" in str(caught.value)
    assert "SDPose Keypoint Extractor" in str(caught.value)
