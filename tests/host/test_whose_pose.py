"""Whose pose, from nothing: a fresh folder, MediaPipe's wheel, a photograph, one graph up to the demo model's result.

The graph chooses the left one of two people, puts them on a bundled person's body, turns and transfers them. The photo
comes out of the wheel of ultralytics, as file alone; it and the networks need a package index, or nothing is tested.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from host import PACK
from PIL import Image

from cfld_modules.checkpoints.blazepose_file import WHEEL, WHEEL_OPTIONS
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.reading import parse_pose_json
from cfld_modules.poses.turning import turntable

GRAPH = Path(__file__).with_name("whose_pose.json")
PHOTOGRAPH = "ultralytics/assets/bus.jpg"  # two men whole, side by side
BY_EYE = json.loads((PACK / "benchmarks" / "detection_points.json").read_text())["bus.jpg"]
ANGLE = 60


def download(*words: str | Path) -> None:
    """By pip; skips for want of an index."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no package index: {' '.join(done.stderr.split())[-200:]}")


@pytest.fixture(scope="module")
def run(tmp_path_factory, request):
    """The server, and its run of the graph."""
    folder = tmp_path_factory.mktemp("downloads")
    download("--no-deps", "--dest", folder, "ultralytics")
    download(*WHEEL_OPTIONS.split(), "--dest", folder, WHEEL)
    server = request.getfixturevalue("plain_server")  # only now that there is something to run on it
    annotators = server.folder / "models" / "annotators"
    annotators.mkdir(parents=True, exist_ok=True)
    for wheel in folder.glob("mediapipe-*.whl"):
        shutil.move(wheel, annotators)
    with zipfile.ZipFile(next(folder.glob("ultralytics-*.whl"))) as wheel, wheel.open(PHOTOGRAPH) as photograph:
        Image.open(photograph).save(server.folder / "input" / "two_people.png")
    run = server.run(json.loads(GRAPH.read_text()))
    assert run.error is None, run.error["exception_message"]
    return server, run


def saved(run: tuple, title: str) -> Pose:
    """A pose that the graph saved."""
    content = (run[0].folder / "user" / "default" / "cfld" / "poses" / f"{title}_00001.json").read_bytes()
    return parse_pose_json(content)[0]


def bone(pose: Pose, start: int, end: int) -> float:
    return float(np.linalg.norm(pose.points[end] - pose.points[start]))


def test_the_left_one_is_chosen(run):
    pose = saved(run, "chosen")
    left, right = (
        np.nanmean(np.linalg.norm(pose.points - [point or (np.nan, np.nan) for point in man["points"]], axis=1))
        for man in BY_EYE
    )
    assert left < 0.05 * BY_EYE[0]["height"] < right
    assert pose.keypoints_3d is not None, "BlazePose says where the points are in space"


def test_he_stands_on_the_bundled_person_s_body_and_still_knows_his_depth(run):
    chosen, retargeted = saved(run, "chosen"), saved(run, "retargeted")
    assert (retargeted.width, retargeted.height) == (352, 512)
    np.testing.assert_array_equal(retargeted.visible, chosen.visible)
    assert bone(retargeted, 1, 8) < 0.9 * bone(chosen, 1, 8), "as small as the bundled person"
    np.testing.assert_array_equal(~np.isnan(retargeted.keypoints_3d).any(axis=1), chosen.visible)


def test_he_is_turned_by_what_blazepose_said(run):
    retargeted, turned = saved(run, "retargeted"), saved(run, "turned")
    flat = replace(retargeted, keypoints_3d=None)
    (expected,), (estimated,) = (turntable(pose, ANGLE, 0, 1) for pose in (retargeted, flat))
    np.testing.assert_allclose(turned.points, expected.points, atol=1e-6)
    both = expected.visible & estimated.visible
    assert np.abs(turned.points[both] - estimated.points[both]).max() > 5, "the depth was estimated, not read"


def test_the_bundled_person_stands_like_that(run):
    server, done = run
    pictures = [Image.open(path).convert("RGB") for path in server.pictures(done)]
    sheet, result = sorted(pictures, key=lambda picture: -picture.width)
    assert sheet.size == (2 * 384 + 4 * 352 + 5 * 4, 512) and result.size == (352, 512)
    pixels = np.asarray(result).astype(int)
    turned, wall = saved(run, "turned"), np.median(pixels[:, :8], axis=(0, 1))
    joints = [1, 8, 9, 11, 12]  # the trunk and the knees
    x, y = turned.points[[joint for joint in joints if turned.visible[joint]]].round().astype(int).T
    assert (np.abs(pixels[y, x] - wall).max(axis=-1) > 25).mean() >= 0.8, "nobody is where the pose is"
