"""The tables of docs/training.md: made by one command, and right where the answer is known."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cfld_modules.command_line import main
from cfld_modules.demo_people import demo_photo
from cfld_modules.evaluation.lifting_errors import VIEWS, bundled_errors, detected_errors
from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from cfld_modules.poses.lifting import SpatialPose, lift

POSE = demo_photo(0, 1, 176, 256).pose
SHOWN = [view for view in VIEWS.values() if view != "back, half turned"]


def pose_file(folder: Path, metres: np.ndarray | None) -> Path:
    (frame,) = write_pose_keypoints([POSE])
    if metres is not None:
        rows = np.hstack([np.nan_to_num(metres), ~np.isnan(metres[:, :1])])
        frame["people"][0]["pose_keypoints_3d"] = rows.ravel().tolist()
    file = folder / "pose.json"
    file.write_text(json.dumps([frame]))
    return file


def test_the_command_writes_the_table_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = pose_file(tmp_path, lift(POSE).points / 140)
    arguments = ["--out", tmp_path / "out", "--people", 0, "--poses", file]
    assert main(["evaluate-turning", *map(str, arguments)]) == 0
    table = (tmp_path / "out" / "tables.md").read_text()
    assert capsys.readouterr().out == table
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in table.splitlines()}
    assert [*rows] == ["view", "---", *SHOWN, "all", "detected"]
    assert int(rows["all"][0]) == 96 and int(rows["detected"][0]) == 1
    assert float(rows["detected"][1]) < 0.01, "what the lifter itself says"


def test_without_what_draws_people_the_lifting_is_measured_and_the_rest_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "anny" else find_spec(name))
    assert main(["evaluate-turning", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert (tmp_path / "tables.md").read_text() == said.out and said.out.splitlines()[-1].startswith("| all | 96 |")
    (line,) = said.err.splitlines()
    assert "--people: anny" in line and "pip install --no-deps anny roma trimesh vtk" in line


@pytest.mark.skipif(not importlib.util.find_spec("anny"), reason="anny and vtk draw people")
def test_a_turntable_begins_with_the_photograph_and_its_own_pose(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["evaluate-turning", "--out", str(tmp_path), "--people", "1"]) == 0
    lifting, turntable = (tmp_path / "tables.md").read_text().split("\n\n")
    names, _, *rows = (row.split(" | ") for row in turntable.strip("| \n").replace(" |\n| ", "\n").splitlines())
    scores = {int(row[0]): dict(zip(names[1:], map(float, row[1:]), strict=True)) for row in rows}
    assert [*scores] == [*range(0, 360, 45)]
    assert scores[0]["unchanged ssim"] == 1 and scores[0]["joint distance"] == 0
    assert scores[0]["ssim"] == scores[0]["exact ssim"]
    assert all(one["unchanged ssim"] < 0.95 and one["joint distance"] < 10 for angle, one in scores.items() if angle)
    assert (tmp_path / "turntable.png").is_file() and "| all | 96 |" in lifting


@pytest.mark.parametrize(("content", "words"), [
    (None, "has no pose_keypoints_3d"), ("{", "not valid JSON"), ("[]", "the list is empty"),
], ids=["flat", "no JSON", "nobody"])
def test_a_file_that_cannot_be_compared_is_named(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = pose_file(tmp_path, None)
    if content:
        file.write_text(content)
    assert main(["evaluate-turning", "--out", str(tmp_path), "--people", "0", "--poses", str(file)]) == 2
    error = capsys.readouterr().err
    assert "--poses" in error and words in error


def test_errors_are_shares_of_the_height() -> None:
    lifted = lift(POSE).points
    nearer = lifted + np.where(np.arange(18)[:, None] % 2, (0, 0, 17), (0, 0, 0))
    # Of any scale, in pixels a metre.
    errors = detected_errors([replace(POSE, keypoints_3d=nearer / pixels) for pixels in (200, 2000)])
    assert errors.people == 2
    near_share = nearer[POSE.visible, 2] - nearer[POSE.visible, 2].mean() - lifted[POSE.visible, 2]
    spread = [np.abs(near_share).mean() / (1.7 * pixels) for pixels in (200, 2000)]
    assert errors.visible == pytest.approx(100 * np.mean(spread), rel=1e-3)


def test_people_are_lifted_better_than_flat_but_from_behind_where_they_are_flat() -> None:
    errors = bundled_errors()
    assert [*errors] == [*SHOWN, "all"]
    assert sum(errors[view].people for view in SHOWN) == errors["all"].people == 96
    assert all(one.visible < 0.9 * one.flat for view, one in errors.items() if view != "back")
    assert errors["back"].visible < 1.1 * errors["back"].flat, "somebody who rests is as good as flat"
    assert errors["all"].visible < 3


def test_errors_of_what_stays_flat_are_those_of_the_truth_s_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lifter that knows nothing, lifted is flat."""
    monkeypatch.setattr("cfld_modules.evaluation.lifting_errors.lift", without_depth)
    errors = bundled_errors()
    assert all(one.visible == pytest.approx(one.flat) for one in errors.values())


def without_depth(pose: Pose) -> SpatialPose:
    return SpatialPose(np.hstack([pose.points, np.zeros((18, 1))]), pose.width, pose.height)
