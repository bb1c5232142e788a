"""Regions, candidates and the way from BlazePose's landmarks to people, by networks whose answers are known."""

import dataclasses
import hashlib
import zipfile

import numpy as np
import pytest
import torch

from cfld_modules.checkpoints import blazepose_file
from cfld_modules.checkpoints.blazepose_file import BLAZEPOSE_FILE, NETWORKS, load_blazepose
from cfld_modules.command_line import main
from cfld_modules.errors import CheckpointError
from cfld_modules.poses.detection import blazepose
from cfld_modules.poses.detection.blazepose import BlazePose, Candidate, anchors, detect_people, keep_surest
from cfld_modules.poses.detection.region import UPRIGHT, Region, tiles
from cfld_modules.poses.keypoints import write_frame
from cfld_modules.poses.reading import read_people
from tests.fuzz.meter import measured
from tests.smallest_blazepose import blazepose_content, smallest_blazepose

LEFT = np.array([-1.0, 0.0])


# --- Regions ----------------------------------------------------------------------------------------------------------


def test_a_turned_region_is_cut_upright_and_pasted_back():
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[18:22, 24:28] = 255
    region = Region(np.array([40.0, 30.0]), 40.0, LEFT)  # the picture's left is up in it
    square = region.cut(picture, 40)
    y, x = np.argwhere(square[..., 0] > 128).mean(axis=0) + 0.5
    np.testing.assert_allclose(region.to_picture(np.array([x, y]) / 40), (26, 20), atol=0.5)
    assert y < 20, "what was to the left is not up"
    np.testing.assert_allclose(region.paste(square[..., 0], 90, 60), picture[..., 0], atol=130)
    assert region.paste(np.ones((40, 40), np.float32), 90, 60).sum() == pytest.approx(40 * 40, rel=0.05)


def test_a_region_beyond_the_picture_is_black_there():
    square = Region(np.array([0.0, 10.0]), 20.0, UPRIGHT).cut(np.full((20, 20, 3), 200, np.uint8), 20)
    assert (square[:, :9] == 0).all() and (square[:, 11:] == 200).all()


def test_a_large_region_is_averaged():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = 200  # a quarter of eight, and not where a single look falls
    square = Region(np.array([200.0, 200.0]), 400.0, UPRIGHT).cut(stripes, 50)
    assert np.abs(square[1:-1, 1:-1].astype(int) - 50).max() <= 2


@pytest.mark.parametrize(("width", "height", "side"), [(768, 576, 288), (1000, 200, 200), (300, 300, 150)])
def test_tiles_cover_the_picture_and_overlap_by_half(width, height, side):
    for axis, length in enumerate((width, height)):
        starts = sorted({tile.centre[axis] - side / 2 for tile in tiles(width, height, side)})
        assert starts[0] == 0 and starts[-1] + side == pytest.approx(length)
        assert max(np.diff(starts), default=0) <= side / 2 + 1e-9


def test_anchors_are_the_middles_of_three_grids():
    places = anchors()
    assert places.shape == (2254, 2)
    np.testing.assert_allclose(places[[0, 1, 2]] * 28, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5)])
    np.testing.assert_allclose(places[28 * 28 * 2] * 14, (0.5, 0.5))
    np.testing.assert_allclose(places[-1] * 7, (6.5, 6.5))


def test_of_candidates_at_one_place_the_surest_is_kept():
    def candidate(x, score):
        return Candidate(np.array([x, 100.0]), np.array([x, 20.0]), score)

    kept = keep_surest([candidate(100, 0.6), candidate(119, 0.9), candidate(150, 0.7)])
    assert [person.score for person in kept] == [0.9, 0.7]


# --- People -----------------------------------------------------------------------------------------------------------


class SeesColours(torch.nn.Module):
    """In the place of the detector: hips are where a picture is red, the circle ends where it is green."""

    def __init__(self):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, picture):
        self.seen.append(picture)
        numbers, logits = torch.zeros(1, 2254, 12), torch.full((1, 2254, 1), -9.0)
        middles = [torch.nonzero(picture[0, :, :, channel] > 0.9).float() for channel in (0, 1)]
        if all(map(len, middles)):
            hips, circle = (middle.mean(dim=0).flip(0) + 0.5 for middle in middles)
            numbers[0, 5, 4:8] = torch.cat([hips, circle]) - torch.tensor(anchors()[5]).float().repeat(2) * 224
            logits[0, 5] = 3.0
        return {"Identity": numbers, "Identity_1": logits}


class SeesOnePerson(torch.nn.Module):
    """In the place of the landmark network: somebody whose points are known, `hidden` of them not visible."""

    def __init__(self, hidden=(), person=1.0):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.rows = torch.zeros(39, 5)
        self.rows[:, :2] = torch.rand(39, 2, generator=torch.Generator().manual_seed(1)) * 256
        self.rows[33], self.rows[34] = torch.tensor([128.0, 128, 0, 0, 0]), torch.tensor([128.0, 25.6, 0, 0, 0])
        self.rows[:, 3] = 4.0
        self.rows[list(hidden), 3] = -4.0
        self.metres = torch.rand(39, 3, generator=torch.Generator().manual_seed(2))
        self.person = person

    def forward(self, picture):
        mask = torch.full((1, 256, 256, 1), -9.0)
        mask[0, :64] = 9.0  # the quarter above
        return {"Identity": self.rows.reshape(1, 195), "Identity_1": torch.tensor([[self.person]]),
                "Identity_2": mask, "Identity_4": self.metres.reshape(1, 117)}


def coloured(width=800, height=600, hips=(300, 200), circle=(220, 200)):
    picture = np.zeros((height, width, 3), np.uint8)
    for channel, (x, y) in enumerate((hips, circle)):
        picture[y - 6 : y + 6, x - 6 : x + 6, channel] = 255
    return picture


def test_a_person_who_lies_is_found_upright_in_the_region():
    (person,), mask = detect_people(BlazePose(SeesColours(), SeesOnePerson(hidden=[16])), coloured())
    landmarks = SeesOnePerson().rows[:, :2].numpy() / 256
    region = Region(np.array([300.0, 200.0]), 2 * 1.25 * 80, LEFT)
    expected = region.to_picture(landmarks)
    points = person.points
    np.testing.assert_allclose(points[[0, 2, 3, 5, 7, 8, 13]], expected[[0, 12, 14, 11, 15, 24, 27]], atol=1)
    np.testing.assert_allclose(points[14:], expected[[5, 2, 8, 7]], atol=1)  # right eye, left eye, right ear, left ear
    np.testing.assert_allclose(points[1], (points[2] + points[5]) / 2)
    assert not person.visible[4] and person.visible.sum() == 17, "the hidden right wrist alone is missing"
    x, y, z = SeesOnePerson().metres[14].tolist()
    np.testing.assert_allclose(person.keypoints_3d[3], (y, -x, z), atol=1e-6)  # turned back, as the picture is
    assert np.isnan(person.keypoints_3d[4]).all()
    rows, columns = np.nonzero(mask > 0.5)
    assert columns.max() < 260 and columns.min() >= 199 and 99 <= rows.min() and rows.max() < 301


def test_points_outside_the_picture_are_missing():
    (person,), _ = detect_people(BlazePose(SeesColours(), SeesOnePerson()), coloured(hips=(50, 40), circle=(50, 140)))
    assert 0 < person.visible.sum() < 18
    assert (person.points[person.visible] >= 0).all()


def test_nobody_where_the_second_network_sees_none():
    people, mask = detect_people(BlazePose(SeesColours(), SeesOnePerson(person=0.4)), coloured())
    assert people == [] and mask.shape == (600, 800) and not mask.any()


def test_tiles_are_searched_only_while_nobody_is_large():
    detector = SeesColours()
    blazepose.find_candidates(detector, coloured(circle=(300, 500), hips=(300, 20)))
    assert len(detector.seen) == 1, "a person as large as the picture was there"
    middling = SeesColours()  # with a region of 325 pixels: tiles of 600 and 300, but not of 150
    found = blazepose.find_candidates(middling, coloured(circle=(300, 170), hips=(300, 300)))
    assert len(found) == 1 and len(middling.seen) == 1 + 2 + 5 * 3
    nobody = SeesColours()
    assert blazepose.find_candidates(nobody, np.zeros((600, 800, 3), np.uint8)) == []
    assert len(nobody.seen) == 1 + 2 + 5 * 3 + 10 * 7


def test_a_frame_carries_the_third_dimension_under_a_key_of_its_own():
    people, _ = detect_people(BlazePose(SeesColours(), SeesOnePerson(hidden=[0])), coloured())
    frame = write_frame(people, 800, 600)
    rows = np.reshape(frame["people"][0]["pose_keypoints_3d"], (18, 4))
    np.testing.assert_array_equal(rows[0], 0)
    np.testing.assert_array_equal(rows[1:, :3], people[0].keypoints_3d[1:])
    np.testing.assert_array_equal(rows[1:, 3], 1)
    ((person,),) = read_people(frame)
    assert person.body.written is frame["people"][0]
    np.testing.assert_array_equal(person.flat.points, people[0].points)


# --- The file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pip(monkeypatch):
    """Whoever starts another program fails the test."""
    monkeypatch.setattr(blazepose_file.subprocess, "run", lambda *_, **__: pytest.fail("something was downloaded"))


def test_a_file_that_is_there_is_kept(tmp_path, no_pip, capsys):
    file = tmp_path / "annotators" / BLAZEPOSE_FILE
    file.parent.mkdir()
    file.write_bytes(b"as it is")
    assert main(["get", "blazepose", "--models", str(tmp_path)]) == 0
    assert file.read_bytes() == b"as it is"
    assert "was there already" in capsys.readouterr().out


def test_the_models_folder_is_asked_for_outside_of_comfyui(tmp_path, no_pip, capsys):
    assert main(["get", "blazepose"]) == 2
    assert "--models is needed" in capsys.readouterr().err
    assert main(["get", "blazepose", "--models", str(tmp_path / "gone")]) == 2
    assert "is no folder; give the folder 'models'" in capsys.readouterr().err


def test_a_download_that_fails_is_told_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["get", "blazepose", "--models", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "pip could not download mediapipe==0.10.21" in message and "on another machine" in message
    assert len(message) < 620 and not list(tmp_path.iterdir())


def test_another_wheel_is_refused(tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, checksum in NETWORKS.values():
            assert hashlib.sha256(b"other").hexdigest() != checksum
            archive.writestr(path, b"other")
        archive.writestr(blazepose_file.LICENCE, b"a licence")
    with pytest.raises(CheckpointError, match="is not that of MediaPipe 0.10.21; nothing was written"):
        blazepose_file.convert_wheel(wheel, tmp_path / BLAZEPOSE_FILE)
    assert list(tmp_path.iterdir()) == [wheel]


def test_a_damaged_wheel_and_one_without_the_networks_are_refused(tmp_path):
    wheel = tmp_path / "damaged.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, _ in NETWORKS.values():
            archive.writestr(path, bytes(range(256)) * 40)
    content = wheel.read_bytes()
    for damaged in (content, content[:300], content[:200] + bytes(20) + content[220:], b""):
        wheel.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged.whl is not the wheel of MediaPipe 0.10.21, or damaged"):
            blazepose_file.convert_wheel(wheel, tmp_path / BLAZEPOSE_FILE)
    assert list(tmp_path.iterdir()) == [wheel]


def test_networks_that_give_something_else_or_take_more_are_refused(tmp_path):
    file = tmp_path / "x.safetensors"

    def load(change=lambda weights, layouts: None):
        weights, layouts = smallest_blazepose()
        change(weights, layouts)
        file.write_bytes(blazepose_content(weights, layouts))
        return load_blazepose(file)

    def operation(layouts, place, **changes):
        steps = layouts["landmarks"].operations
        steps[place] = dataclasses.replace(steps[place], **changes)

    assert detect_people(load(), np.zeros((64, 64, 3), np.uint8))[0] == []
    for change in (
        lambda weights, layouts: layouts["landmarks"].operations.pop(),
        lambda weights, layouts: layouts["detector"].outputs.pop("Identity_1"),
        lambda weights, layouts: operation(layouts, 1, options={"shape": [194]}),
        lambda weights, layouts: operation(layouts, 0, options={"stride": 1, "padding": [10**5] * 4, "groups": 1}),
        lambda weights, layouts: operation(layouts, 0, kind="x"),
        lambda weights, layouts: weights["detector.1"].fill_(np.nan),
        lambda weights, layouts: weights.pop("detector.1"),
        lambda weights, layouts: weights.update({"detector.x": torch.zeros(1)}),
    ):
        with measured() as cost, pytest.raises(CheckpointError, match="x.safetensors' does not hold BlazePose's"):
            load(change)
        assert cost.memory < 20e6


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(CheckpointError, match="does not hold BlazePose's networks or is damaged; delete it"):
        load_blazepose(tmp_path / "x.safetensors")
