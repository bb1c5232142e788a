"""The tables of docs/training.md: made by one command, and right where the answer is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cfld_modules.command_line import main
from cfld_modules.evaluation.lifting_errors import VIEWS, detected_errors, mannequin_errors
from cfld_modules.mannequins.drawing import draw_mannequin
from cfld_modules.mannequins.identity import sample_identity
from cfld_modules.mannequins.skeleton import sample_pose
from cfld_modules.poses.keypoints import write_pose_keypoints
from cfld_modules.poses.lifting import lift

POSE = draw_mannequin(sample_identity(0), replace(sample_pose(0), yaw=0.0)).pose


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
    arguments = ["--out", tmp_path / "out", "--mannequins", 16, "--people", 0, "--poses", file]
    assert main(["evaluate-turning", *map(str, arguments)]) == 0
    table = (tmp_path / "out" / "tables.md").read_text()
    assert capsys.readouterr().out == table
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in table.splitlines()}
    assert [*rows] == ["view", "---", *VIEWS.values(), "all", "detected"]
    assert int(rows["all"][0]) == 16 and int(rows["detected"][0]) == 1
    assert float(rows["detected"][1]) < 0.01, "what the lifter itself says"


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


def test_mannequins_are_lifted_better_than_flat_from_every_view() -> None:
    errors = mannequin_errors(80)
    assert sum(errors[view].people for view in VIEWS.values()) == errors["all"].people == 80
    assert all(one.visible < 0.9 * one.flat for one in errors.values())
    assert errors["all"].visible < 3


def test_a_turned_mannequin_is_drawn_by_the_camera_of_the_first_view() -> None:
    identity, front = sample_identity(3), replace(sample_pose(3), yaw=0.0)
    back = replace(front, yaw=180.0)
    first, second = (draw_mannequin(identity, pose, 88, 128, framed=front).pose.points for pose in (front, back))
    np.testing.assert_allclose(first[[8, 11]].mean(axis=0), second[[8, 11]].mean(axis=0), atol=1e-6)
    alone, framed = (draw_mannequin(identity, front, 88, 128, framed=one).image for one in (None, front))
    np.testing.assert_array_equal(alone, framed)
