"""The poses that come with the pack: readable, believable for an adult, and each with a thumbnail that shows it."""

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from cfld_modules.poses.reading import parse_pose_json

FILES = sorted((Path(__file__).parent.parent / "web" / "poses").glob("*.json"))

# Bones of an adult as fractions of the stature.
PROPORTIONS = {
    (2, 3): 0.17, (5, 6): 0.17, (3, 4): 0.146, (6, 7): 0.146,
    (8, 9): 0.245, (11, 12): 0.245, (9, 10): 0.243, (12, 13): 0.243,
    (1, 8): 0.30, (1, 11): 0.30, (1, 0): 0.12,
}  # fmt: skip


def load(file: Path) -> Pose:
    poses = parse_pose_json(file.read_text(encoding="utf-8"))
    assert len(poses) == 1
    return poses[0]


def statures(pose: Pose) -> np.ndarray:
    """The stature in pixels that each visible bone speaks for if seen at full length; less where foreshortened."""
    lengths = {bone: np.linalg.norm(pose.points[bone[0]] - pose.points[bone[1]]) for bone in PROPORTIONS}
    return np.array([lengths[bone] / PROPORTIONS[bone] for bone in PROPORTIONS if not np.isnan(lengths[bone])])


def test_there_are_enough_and_every_one_has_a_thumbnail() -> None:
    assert len(FILES) >= 24
    assert [file.stem for file in FILES] == sorted(file.stem for file in FILES[0].parent.glob("*.png"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bundled_file_is_canonical_and_its_figure_in_the_canvas(file: Path) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", file.stem)
    pose = load(file)
    assert (pose.width, pose.height) == (352, 512)
    assert json.loads(file.read_text(encoding="utf-8")) == write_pose_keypoints([pose])
    points = pose.points[pose.visible]
    assert len(points) >= 13
    assert (points == np.round(points)).all()
    assert (points >= 5).all() and (points <= (352 - 5, 512 - 5)).all()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_body_is_an_adults(file: Path) -> None:
    pose = load(file)
    seen = np.sort(statures(pose))
    stature = np.median(seen[-4:])
    assert seen[-1] < 1.1 * stature, "a bone is too long for the others"
    assert seen[-4] > 0.9 * stature, "hardly two bones agree on the size of the person"
    widths = [np.linalg.norm(pose.points[a] - pose.points[b]) for a, b in ((2, 5), (8, 11))]
    assert not widths[0] > 0.23 * stature and not widths[1] > 0.14 * stature  # NaN where hidden
    ankles = pose.points[[10, 13], 1]
    if np.isnan(ankles).all():  # cropped: no floor
        assert 500 < stature < 800
    else:
        assert 360 < stature < 480
        lowest = np.nanmax(pose.points[8:14, 1])
        assert lowest == 440 if file.stem == "jumping" else lowest == 484


def test_any_two_bundled_poses_differ_visibly() -> None:
    for (first, a), (second, b) in combinations([(file.stem, load(file)) for file in FILES], 2):
        difference = np.abs(np.nan_to_num(a.points, nan=-50.0) - np.nan_to_num(b.points, nan=-50.0))
        assert difference.max() > 10, (first, second)


def test_right_is_the_persons_right() -> None:
    by_name = {file.stem: load(file) for file in FILES}
    front, back = by_name["standing_front"], by_name["standing_back"]
    for right, left in ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (16, 17)):
        assert front.points[right, 0] < front.points[left, 0]
        assert back.points[right, 0] > back.points[left, 0]
    assert front.visible.all()
    assert not back.visible[[0, 14, 15]].any()
    left, right = by_name["standing_facing_left"], by_name["standing_facing_right"]
    assert left.points[0, 0] < left.points[1, 0] and not left.visible[[3, 4, 14, 16]].any()
    assert right.points[0, 0] > right.points[1, 0] and not right.visible[[6, 7, 15, 17]].any()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_thumbnail_shows_this_pose(file: Path) -> None:
    thumbnail = file.with_suffix(".png")
    assert thumbnail.stat().st_size < 3000
    with Image.open(thumbnail) as image:
        assert (image.size, image.mode) == ((88, 128), "P")
        brightness = np.asarray(image.convert("RGB")).max(axis=2)
    pose = load(file)
    x, y = (pose.points[pose.visible] / 4).astype(int).T
    assert (brightness[y, x] > 60).all()
    lit_y, lit_x = np.nonzero(brightness > 60)
    assert max(abs(lit_x.min() - x.min()), abs(lit_x.max() - x.max())) <= 3
    assert max(abs(lit_y.min() - y.min()), abs(lit_y.max() - y.max())) <= 3
