"""What nodes show on themselves in the page: pictures among the host's temporary files, and words."""

import copy

import folder_paths
import numpy as np
import pytest
import torch
from cfld_pack import nodes
from cfld_pack.nodes import previews
from PIL import Image

from cfld_modules.poses.reading import read_pose_keypoints

MASK = torch.nn.functional.pad(torch.ones(1, 100, 50), (100, 150, 100, 100))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


def load(name):
    return nodes.CFLDLoadPose.execute(name).result[0]


def people_of(*names):
    """One frame with somebody of each bundled pose, each a hundred pixels further to the right."""
    frame = copy.deepcopy(load(names[0])[0])
    frame["people"] = [copy.deepcopy(load(name)[0]["people"][0]) for name in names]
    for number, person in enumerate(frame["people"]):
        points = np.array(person["pose_keypoints_2d"]).reshape(-1, 3)
        points[points[:, 2] > 0, 0] += 100 * number - 50
        person["pose_keypoints_2d"] = points.ravel().tolist()
    return frame


def pictures(folder, output):
    return [np.array(Image.open(folder / one["subfolder"] / one["filename"])) for one in output.ui["images"]]


@pytest.mark.parametrize(("rule", "number", "words"), [
    ("leftmost", 1, "3 people, the leftmost chosen"), ("rightmost", 1, "3 people, the rightmost chosen"),
    ("number", 2, "3 people, number 2 from the left chosen"),
])  # fmt: skip
def test_choose_person_says_who_it_was(rule, number, words):
    frame = people_of("standing_front", "waving", "standing_back")
    assert nodes.CFLDChoosePerson.execute([frame], rule, number, "error").ui["says"] == [words]


def test_choose_person_shows_the_others_dimly(temporary):
    frame = people_of("standing_front", "waving")
    output = nodes.CFLDChoosePerson.execute([frame], "leftmost", 1, "error")
    assert output.ui["says"] == ["2 people, the left one chosen"]
    (picture,) = pictures(temporary, output)
    alone = previews.draw_people(read_pose_keypoints(output.result[0]), 352, 512)
    assert (picture[alone.any(axis=2)].max(axis=1) >= alone[alone.any(axis=2)].max(axis=1)).all()
    others = picture[~alone.any(axis=2)]
    assert 0 < others.max() <= 255 // previews.DIMMED


@pytest.mark.parametrize("execute", [
    lambda pose: nodes.CFLDDrawPose.execute(pose, 3520, 5120, "openpose"),
    lambda pose: nodes.CFLDRetargetPose.execute(pose, load("jumping")),
    lambda pose: nodes.CFLDTurnPose.execute(pose, 0.0, 0.0, 20),
    lambda pose: nodes.CFLDPoseMask.execute(pose, "head", 64, 64, 0, 0, "pad"),
    lambda pose: nodes.CFLDFitPoseToMask.execute(pose, torch.rand(1, 300, 300, 3), MASK),
    lambda pose: nodes.CFLDDemoPerson.execute(1, 2, 3000, 4000),
], ids=["draw", "retarget", "turn", "mask", "fit", "demo person"])  # fmt: skip
def test_preview_is_small_and_shows_something(temporary, execute):
    shown = pictures(temporary, execute(load("waving")))
    assert 1 <= len(shown) <= previews.MOST_PICTURES
    assert all(max(picture.shape[:2]) <= previews.SIDE and picture.std() > 1 for picture in shown)


def test_a_long_clip_shows_its_first_and_last_frame():
    assert previews.sample(range(100))[:1] == [0] and previews.sample(range(100))[-1:] == [99]
    assert len(previews.sample(range(100))) == previews.MOST_PICTURES
    assert previews.sample(range(3)) == [0, 1, 2]


def test_a_canvas_of_any_aspect_has_a_preview(temporary):
    frame = people_of("waving") | {"canvas_width": 16384}
    assert pictures(temporary, nodes.CFLDChoosePerson.execute([frame], "largest", 1, "error"))
