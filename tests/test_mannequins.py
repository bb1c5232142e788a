"""Mannequins are what they claim: the same everywhere, one person in every pose, exact key points, disjoint splits."""

import argparse
import csv
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from einops import reduce
from PIL import Image
from scipy import ndimage

from cfld_modules.commands.data import add_arguments, run
from cfld_modules.mannequins.benchmark import split_seeds, write_mannequins
from cfld_modules.mannequins.drawing import Mannequin, draw_mannequin
from cfld_modules.mannequins.identity import HAIR_STYLES, TEXTURE_KINDS, Identity, sample_identity
from cfld_modules.mannequins.shapes import Capsule, Ellipsoid, Tube
from cfld_modules.mannequins.skeleton import POSE_PRIORS, MannequinPose, sample_pose
from cfld_modules.poses.keypoints import JOINT_NAMES

GARMENT_KINDS = {
    "t-shirt", "long-sleeved top", "sleeveless top", "dress", "trousers", "shorts", "skirt", "jacket",
}  # fmt: skip

# Of seeds 0, 7 and 10^9; of the picture of person 7 in pose 7, the mean colours of four rows of two fields; nose, neck,
# right wrist and left ankle in it.
SAMPLED = "852a71f105a8035c9387c1f33fd1bf26d2b676e2b9d21e82c718dc27848db09b"
COARSE = [
    (213, 207, 204),
    (206, 203, 209),
    (158, 152, 173),
    (192, 189, 201),
    (166, 160, 174),
    (190, 189, 198),
    (196, 194, 196),
    (201, 201, 204),
]
POINTS = [(74.9142, 37.3171), (78.9974, 59.935), (44.5527, 125.5868), (91.3814, 228.9694)]


def named_pose(name: str, yaw: float) -> MannequinPose:
    """A pose of this kind, the head looking straight ahead, turned by exactly `yaw` degrees."""
    pose = next(pose for seed in range(200) if (pose := sample_pose(seed)).name == name)
    return replace(pose, yaw=yaw, twist=0.0, head_yaw=0.0, head_tilt=0.0, sway=0.0)


def dressed(texture: str) -> Identity:
    """Somebody with this texture on the top, arms and legs bare or not, but with nothing over it."""
    people = (sample_identity(seed) for seed in range(300))
    return next(
        who for who in people if who.top.texture.kind == texture and who.jacket is None and who.hair_style != "long"
    )


def visible_names(mannequin: Mannequin) -> set[str]:
    return {name for name, seen in zip(JOINT_NAMES, mannequin.pose.visible, strict=True) if seen}


def near(mannequin: Mannequin, colour: tuple[int, int, int]) -> np.ndarray:
    """(height, width): where the person shows this colour, in light or shade."""
    pixels = mannequin.image.astype(float)
    pixels = pixels / np.linalg.norm(pixels, axis=2, keepdims=True)
    return (pixels @ (np.array(colour) / np.linalg.norm(colour)) > 0.998) & mannequin.silhouette


def test_seeds_mean_the_same_everywhere() -> None:
    """Sampling is exact; drawing is compared coarsely, as the last bits of sines and of antialiasing may differ."""
    sampled = repr([(sample_identity(seed), sample_pose(seed)) for seed in (0, 7, 10**9)])
    assert hashlib.sha256(sampled.encode()).hexdigest() == SAMPLED
    mannequin = draw_mannequin(sample_identity(7), sample_pose(7))
    image = mannequin.image.astype(float)
    coarse = reduce(image, "(rows h) (columns w) c -> (rows columns) c", "mean", rows=4, columns=2)
    np.testing.assert_allclose(coarse, COARSE, atol=2)
    np.testing.assert_allclose(mannequin.pose.points[[0, 1, 4, 13]], POINTS, atol=1e-3)


def test_drawing_the_same_seeds_gives_the_same_picture() -> None:
    first, second = (draw_mannequin(sample_identity(3), sample_pose(5)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.pose.points, second.pose.points)


def test_many_seeds_bring_every_kind_of_clothes_hair_and_pose() -> None:
    people = [sample_identity(seed) for seed in range(80)]
    garments = [garment for person in people for garment in person.garments]
    assert {garment.kind for garment in garments} == GARMENT_KINDS
    assert {garment.texture.kind for garment in garments} == set(TEXTURE_KINDS)
    assert {person.hair_style for person in people} == set(HAIR_STYLES)
    poses = [sample_pose(seed) for seed in range(150)]
    assert {pose.name for pose in poses} == set(POSE_PRIORS)
    assert {pose.view for pose in poses} == {"front", "side", "back"}
    for view in ("front", "side", "back"):
        assert {sample_pose(seed, view).view for seed in range(50)} == {view}


def test_drawing_twice_as_large_keeps_frame_and_outline() -> None:
    small, large = (draw_mannequin(sample_identity(1), sample_pose(1), *size) for size in ((176, 256), (352, 512)))
    assert small.image.shape == (256, 176, 3) and small.image.dtype == np.uint8
    assert small.silhouette.shape == (256, 176) and small.silhouette.dtype == bool
    assert (small.pose.width, small.pose.height) == (176, 256)
    # The centre of the first pixel is at 0, so the picture's edge is at -0.5.
    np.testing.assert_allclose(2 * (small.pose.points + 0.5), large.pose.points + 0.5, atol=1e-9)
    halved = reduce(large.silhouette.astype(float), "(h down) (w right) -> h w", "mean", down=2, right=2) >= 0.5
    assert (halved != small.silhouette).mean() < 0.002
    assert 4 * small.silhouette.sum() == pytest.approx(large.silhouette.sum(), rel=0.01)


def test_key_points_lie_on_the_person_and_the_person_in_the_picture() -> None:
    for seed in range(60):
        mannequin = draw_mannequin(sample_identity(seed), sample_pose(seed))
        x, y = np.rint(mannequin.pose.points[mannequin.pose.visible]).astype(int).T
        assert mannequin.silhouette[y, x].all(), seed
        border = mannequin.silhouette.copy()
        border[1:-1, 1:-1] = False
        assert not border.any(), seed
        assert 0.05 < mannequin.silhouette.mean() < 0.5, seed


def test_silhouette_covers_what_the_person_changes_in_the_picture() -> None:
    """What a person changes in the picture, shadow on the floor and blended edges aside, is the silhouette."""
    mannequin = draw_mannequin(dressed("stripes"), named_pose("arms up", 0))
    wall = np.median(mannequin.image[:, :20].astype(int), axis=1)[:, None]
    changed = np.abs(mannequin.image - wall).max(axis=2) > 40
    upper = slice(0, 225)
    around = ndimage.binary_dilation(mannequin.silhouette, np.ones((3, 3)))
    assert (changed & ~around)[upper].sum() <= 3
    assert (changed & mannequin.silhouette)[upper].sum() > 0.85 * mannequin.silhouette[upper].sum()


def test_right_is_the_persons_right() -> None:
    front = draw_mannequin(sample_identity(2), named_pose("standing", 0)).pose.points
    back = draw_mannequin(sample_identity(2), named_pose("standing", 180)).pose.points
    assert front[2, 0] < front[1, 0] < front[5, 0] and front[8, 0] < front[11, 0]
    assert back[2, 0] > back[1, 0] > back[5, 0] and back[8, 0] > back[11, 0]


@pytest.mark.parametrize(
    ("name", "yaw", "seen", "hidden"),
    [
        ("standing", 0, {"nose", "neck", "left eye", "right wrist", "left knee", "right hip"}, set()),
        ("standing", 180, {"neck", "left ankle"}, {"nose", "left eye", "right eye"}),
        ("standing", 90, {"nose", "neck", "left shoulder", "left knee", "left eye"}, {"right shoulder", "right eye"}),
        ("standing", -90, {"right shoulder", "right knee"}, {"left shoulder", "left hip", "left knee", "left ear"}),
        ("hands behind back", 0, {"left shoulder", "right shoulder"}, {"left wrist", "right wrist"}),
        ("hands behind back", 180, {"left wrist", "right wrist"}, {"nose"}),
        ("arms crossed", 180, {"neck"}, {"left wrist", "right wrist"}),
        ("walking", 0, {"right knee", "left knee"}, set()),
    ],
)
def test_key_points_that_the_body_hides_are_missing(name: str, yaw: float, seen: set[str], hidden: set[str]) -> None:
    for seed in range(6):
        names = visible_names(draw_mannequin(sample_identity(seed), named_pose(name, yaw)))
        assert seen <= names, seed
        assert not hidden & names, seed


@pytest.mark.parametrize("yaw", [0, 40, 90, 180])
def test_clothes_stay_the_same_over_poses(yaw: float) -> None:
    who = dressed("plain")
    for name in POSE_PRIORS:
        mannequin = draw_mannequin(who, named_pose(name, yaw))
        assert near(mannequin, who.top.texture.first).sum() > 400, name


def test_a_motif_is_on_the_chest_only() -> None:
    """Painted in pure green, which nothing else has."""
    who = dressed("motif")
    green = (0, 255, 0)
    who = replace(who, hair_style="cropped", top=replace(who.top, texture=replace(who.top.texture, second=green)))
    front, back = (draw_mannequin(who, named_pose("standing", yaw)) for yaw in (0, 180))
    rows, columns = np.nonzero(near(front, green))
    neck, hips = front.pose.points[1], front.pose.points[[8, 11]].mean(axis=0)
    assert len(rows) > 60 and neck[1] < rows.min() and rows.max() < hips[1]
    assert abs(columns.mean() - neck[0]) < 4
    assert not near(back, green).any()


def test_an_open_jacket_is_closed_at_the_back() -> None:
    people = (sample_identity(seed) for seed in range(300))
    who = next(p for p in people if p.jacket and p.jacket.texture.kind == "plain" and p.top.texture.kind == "plain")
    front, back = (draw_mannequin(replace(who, hair_style="cropped"), named_pose("standing", yaw)) for yaw in (0, 180))
    assert near(front, who.top.texture.first).sum() > 100 > 5 > near(back, who.top.texture.first)[50:150].sum()


def test_arms_hide_what_is_behind_them() -> None:
    """In front of the torso the sleeve shows, behind it the torso: the same arm, seen from both sides."""
    who = replace(dressed("plain"), top=replace(dressed("plain").top, sleeve=0.0, kind="sleeveless top"))
    front, back = (draw_mannequin(who, named_pose("arms crossed", yaw)) for yaw in (0, 180))
    x, y = np.rint((front.pose.points[3] + front.pose.points[4]) / 2).astype(int)
    assert near(front, who.skin)[y, x]
    assert near(back, who.top.texture.first)[y, back.pose.width - 1 - x]


@pytest.mark.parametrize("tilt", [0.0, 40.0, 80.0])
def test_lines_of_sight_end_on_the_shapes(tilt: float) -> None:
    """Spots that are found satisfy the equation of the shape, whichever way it points."""
    sin, cos = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))
    frame = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    x, y = (grid.astype(np.float32) for grid in np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81)))
    start = np.array([0.05, -0.1, 0.2])
    for shape in (
        Capsule(start, start + 0.5 * frame[:, 1], 0.2, 0.2, frame),
        Ellipsoid(start, (0.3, 0.5, 0.2), frame),
        Tube(start, 0.5, 0.3, 0.2, 0.7, 0.7, frame),
    ):
        depth = shape.cast(x, y)
        hit = np.isfinite(depth)
        left, down, back = frame.T @ (np.stack([x[hit], y[hit], depth[hit]]) - start[:, None])
        match shape:
            case Capsule():
                distance = np.sqrt(left**2 + (down - np.clip(down, 0, 0.5)) ** 2 + back**2) / 0.2
            case Ellipsoid():
                distance = np.sqrt((left / 0.3) ** 2 + (down / 0.5) ** 2 + (back / 0.2) ** 2)
            case Tube():
                distance = np.hypot(left, back / 0.7) / (0.3 - 0.2 * down)
        assert hit.sum() > 100
        np.testing.assert_allclose(distance, 1, atol=2e-3)
        low_x, low_y, high_x, high_y = shape.bounds()
        assert low_x <= x[hit].min() and x[hit].max() <= high_x and low_y <= y[hit].min() and y[hit].max() <= high_y


def test_training_and_test_seeds_never_overlap() -> None:
    train, test = split_seeds("train", 10**9), split_seeds("test", 10**9)
    assert train.stop <= test.start
    assert list(split_seeds("test", 3)) == list(test[:3])
    people = [sample_identity(seed) for split in ("train", "test") for seed in split_seeds(split, 150)]
    poses = [sample_pose(seed) for split in ("train", "test") for seed in split_seeds(split, 150)]
    assert len(set(people)) == len(set(poses)) == 300
    with pytest.raises(ValueError, match="-1"):
        split_seeds("train", -1)


def test_written_folder_has_the_layout_of_deepfashion(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    command = f"mannequins --out {tmp_path} --count 4 --test-count 4 --pictures 3"
    run(parser.parse_args(command.split()))
    people = {}
    for split, pairs_a_person in (("train", 6), ("test", 2)):
        images = {path.name for path in (tmp_path / f"{split}_highres").iterdir()}
        annotation = (tmp_path / f"fasion-resize-annotation-{split}.csv").read_text().splitlines()
        assert annotation[0] == "name:keypoints_y:keypoints_x"
        assert {line.split(":")[0] for line in annotation[1:]} == images and len(images) == 12
        for line in annotation[1:]:
            name, *lists = line.split(":")
            y, x = (np.array(json.loads(numbers)) for numbers in lists)
            assert y.shape == x.shape == (18,) and y.dtype == x.dtype == np.int64
            assert ((x == -1) == (y == -1)).all() and x.max() < 176 and y.max() < 256 and min(x.min(), y.min()) >= -1
            person, pose, view = name.removesuffix(".png").split("_")
            identity = sample_identity(int(person.removeprefix("mannequin")))
            again = draw_mannequin(identity, sample_pose(int(pose.removeprefix("pose")), view))
            written = np.asarray(Image.open(tmp_path / f"{split}_highres" / name))
            np.testing.assert_array_equal(written, again.image)
            np.testing.assert_array_equal(x >= 0, again.pose.visible)
            np.testing.assert_allclose(x[x >= 0], again.pose.points[x >= 0, 0], atol=0.5)
            np.testing.assert_allclose(y[x >= 0], again.pose.points[x >= 0, 1], atol=0.5)
            if split == "test":
                silhouette = np.asarray(Image.open(tmp_path / "test_silhouettes" / name))
                np.testing.assert_array_equal(silhouette, again.silhouette * 255)
        with open(tmp_path / f"fasion-resize-pairs-{split}.csv", newline="") as file:
            pairs = list(csv.DictReader(file))
        assert len(pairs) == 4 * pairs_a_person
        assert all(pair["from"] != pair["to"] and {pair["from"], pair["to"]} <= images for pair in pairs)
        assert all(pair["from"].split("_")[0] == pair["to"].split("_")[0] for pair in pairs)
        assert split == "train" or all(pair["from"].endswith("_front.png") for pair in pairs)
        people[split] = {name.split("_")[0] for name in images}
    assert not people["train"] & people["test"]


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pictures must be at least 2, got 1"):
        write_mannequins(tmp_path, 1, pictures=1)


def test_drawing_a_mannequin_takes_little_cpu_time() -> None:
    """About 10 ms of one core; the bound leaves room for a slower or busy one."""
    people = [(sample_identity(seed), sample_pose(seed)) for seed in range(20)]
    times = []
    for identity, pose in people:
        start = time.process_time()
        draw_mannequin(identity, pose)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.06
