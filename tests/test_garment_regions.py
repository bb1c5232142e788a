"""Regions of clothing lie where people wear them; parts make the whole; edges grow and soften as asked."""

from pathlib import Path

import numpy as np
import pytest

from cfld_modules.demo_people import PEOPLE, demo_photo
from cfld_modules.errors import PoseError
from cfld_modules.evaluation.clothes import intersection_over_union
from cfld_modules.poses.garment_regions import REGIONS, region_mask
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.placing import figure_box
from cfld_modules.poses.reading import parse_pose_json
from tests.fuzz.meter import measured

POSES = Path(__file__).parents[1] / "web" / "poses"
WIDTH, HEIGHT = 176, 256
FRONT = [demo_photo(person, pose, WIDTH, HEIGHT) for pose in (0, 3, 2, 4) for person in range(PEOPLE)]


def masks(pose, **options):
    return {region: region_mask(pose, region, WIDTH, HEIGHT, **options) for region in REGIONS}


def test_the_whole_figure_is_the_silhouette_and_somewhat_more():
    """It was fitted to drawn people, who were stouter: of these it was 0.84."""
    found = [(masks(photo.pose)["whole figure"] > 0.5, photo.silhouette) for photo in FRONT]
    assert np.mean([intersection_over_union(*both) for both in found]) > 0.68
    assert np.mean([(mask & silhouette).sum() / silhouette.sum() for mask, silhouette in found]) > 0.9


def test_the_parts_make_the_whole_and_each_holds_its_own_joints():
    for drawn in FRONT[:10]:
        found = masks(drawn.pose)
        parts = [found[region] for region in ("upper body", "lower body", "head")]
        assert np.array_equal(np.max(parts, axis=0), found["whole figure"])
        for region, joints in (("upper body", (2, 5, 3)), ("lower body", (9, 10, 13)), ("head", (0, 14))):
            for x, y in drawn.pose.points[list(joints)][drawn.pose.visible[list(joints)]].astype(int):
                inside = [name for name in ("upper body", "lower body", "head") if found[name][y, x] == 1]
                assert region in inside, region
                assert region == "upper body" or inside == [region]


def test_a_head_has_its_place_from_behind_too():
    front = FRONT[0].pose
    from_behind = Pose(front.points.copy(), WIDTH, HEIGHT)
    from_behind.points[[0, 14, 15, 16, 17]] = np.nan
    heads = [region_mask(pose, "head", WIDTH, HEIGHT) > 0.5 for pose in (front, from_behind)]
    assert intersection_over_union(*heads) > 0.8


def test_region_mask_follows_size_growth_and_feather():
    pose = FRONT[0].pose
    mask = region_mask(pose, "lower body", 512, 512)
    assert mask.shape == (512, 512) and mask.dtype == np.float32 and set(np.unique(mask)) >= {0.0, 1.0}
    small = region_mask(pose, "lower body", WIDTH, HEIGHT).mean()
    assert mask.mean() == pytest.approx(small, rel=0.06), "the same share of the picture, squashed"
    larger, smaller, soft = (
        region_mask(pose, "lower body", 512, 512, **options) for options in ({"grow": 9}, {"grow": -9}, {"feather": 9})
    )
    assert (larger >= mask).all() and (smaller <= mask).all() and smaller.sum() < mask.sum() < larger.sum()
    assert soft.sum() == pytest.approx(mask.sum(), rel=0.02) and ((soft > 0.1) & (soft < 0.9)).sum() > 1000


@pytest.mark.parametrize("points", [[9, 10], [2, 3, 4]], ids=["lower body", "upper body"])
def test_a_region_without_key_points_is_an_error(points):
    shown = Pose(np.full((18, 2), np.nan), WIDTH, HEIGHT)
    shown.points[points] = FRONT[0].pose.points[points]
    assert region_mask(shown, "whole figure", WIDTH, HEIGHT).any()
    with pytest.raises(PoseError, match="no key point of the head lies in the picture"):
        region_mask(shown, "head", WIDTH, HEIGHT)


@pytest.mark.parametrize("far", [3_000.0, 900_000.0, -900_000.0])
def test_a_stray_joint_costs_nothing_and_leaves_the_rest_of_the_body(far: float) -> None:
    """It took 70 s and 12 GB."""
    pose, = parse_pose_json((POSES / "a_pose.json").read_bytes())
    points = pose.points.copy()
    points[4] = far, far
    with measured() as cost:
        mask = region_mask(Pose(points, pose.width, pose.height), "lower body", 512, 512)
    assert cost.memory < 30_000_000
    assert np.array_equal(mask, region_mask(pose, "lower body", 512, 512)), "legs are as long as they are"
    assert figure_box(Pose(points, pose.width, pose.height))[3] <= 1.1 * pose.height
