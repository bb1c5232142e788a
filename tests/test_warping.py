"""A warped person: what the photo shows goes where the target pose has it, and nothing else is said to be covered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.lifting import lift
from cfld_modules.poses.reading import read_pose_keypoints
from cfld_modules.poses.turning import turntable
from cfld_modules.poses.warping import Warped, warp_person

POSES = Path(__file__).parent.parent / "web" / "poses"
LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
WALL = 0.5


def bundled(name: str) -> Pose:
    (pose,) = read_pose_keypoints(json.loads((POSES / f"{name}.json").read_text()))
    return pose


def texture(pose: Pose) -> torch.Tensor:
    """A smooth random picture on the pose's canvas."""
    coarse = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(coarse, (pose.height, pose.width), mode="bicubic")[0].permute(1, 2, 0).clamp(0, 1)


def painted(pose: Pose, spots: dict[int, tuple[float, float]], radius: float = 12.0) -> torch.Tensor:
    """Grey, with a disc about each spot, in a colour of its own: red is the spot's number by ten."""
    photo = torch.full((pose.height, pose.width, 3), WALL)
    y, x = torch.meshgrid(torch.arange(pose.height), torch.arange(pose.width), indexing="ij")
    for number, (column, row) in spots.items():
        photo[(x - column) ** 2 + (y - row) ** 2 < radius**2] = torch.tensor([number / 10, 0.0, 1.0])
    return photo


def middles(pose: Pose) -> dict[int, tuple[float, float]]:
    return {
        number: tuple(pose.points[list(limb)].mean(axis=0)) for number, limb in enumerate(LIMBS)
        if pose.visible[list(limb)].all()
    }  # fmt: skip


def warped(photo: torch.Tensor, source: Pose, target: Pose, mask: torch.Tensor | None = None) -> Warped:
    return warp_person(photo, lift(source), lift(target), mask)


def share(result: Warped) -> float:
    return (result.covered.sum() / result.person.sum()).item()


def test_same_pose_is_the_photo() -> None:
    pose = bundled("standing_front")
    photo = texture(pose)
    result = warped(photo, pose, pose)
    assert share(result) > 0.75
    torch.testing.assert_close(result.image[result.covered], photo[result.covered], atol=0.01, rtol=0)


def test_smaller_and_elsewhere_is_the_photo_shrunk() -> None:
    pose = bundled("standing_front")
    photo = texture(pose)
    target = replace(pose, points=pose.points / 2 + (40, 60))
    result = warped(photo, pose, target)
    rows, columns = result.covered.nonzero(as_tuple=True)
    expected = photo[((rows - 60) * 2).clamp(0, pose.height - 1), ((columns - 40) * 2).clamp(0, pose.width - 1)]
    assert share(result) > 0.7
    torch.testing.assert_close(result.image[result.covered], expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("name", ["t_pose", "a_pose", "arms_up"])
def test_warped_limbs_keep_the_photo_s_colours(name: str) -> None:
    source, target = bundled("standing_front"), bundled(name)
    result = warped(painted(source, middles(source)), source, target)
    seen = 0
    for number, (x, y) in middles(target).items():
        if result.covered[round(y), round(x)]:
            seen += 1
            assert result.image[round(y), round(x), 0].item() == pytest.approx(number / 10, abs=0.02), LIMBS[number]
    assert seen >= 4


def test_turned_round_nothing_is_covered() -> None:
    pose = bundled("standing_front")
    back = turntable(pose, 180, 0, 1)[0]
    result = warped(texture(pose), pose, back)
    assert share(result) < 0.03


def test_face_is_not_filled_in_behind() -> None:
    """A painted face is on no pixel of the head that is seen from behind, not even as a fill."""
    pose = bundled("standing_front")
    nose = pose.points[0]
    photo = painted(pose, {9: tuple(nose)}, radius=14)
    back = turntable(pose, 180, 0, 1)[0]
    result = warped(photo, pose, back)
    assert (result.image[result.person][:, 2] < 0.9).float().mean() > 0.99


def test_quarter_turn_covers_less_than_the_front_and_more_than_the_back() -> None:
    pose = bundled("standing_front")
    shares = [share(warped(texture(pose), pose, view)) for view in turntable(pose, 0, 0, 4)]
    assert shares[0] > shares[1] + 0.1 > shares[2] + 0.2
    assert shares[3] > shares[2] + 0.1


def test_trunk_behind_an_arm_is_not_the_arm() -> None:
    source, target = bundled("arms_crossed"), bundled("t_pose")
    wrists = {number: tuple(source.points[joint]) for number, joint in ((1, 4), (2, 7)) if source.visible[joint]}
    result = warped(painted(source, wrists, radius=6), source, target)
    neck, hips = target.points[1], target.points[[8, 11]].mean(axis=0)
    rows = slice(round(neck[1] * 0.8 + hips[1] * 0.2), round(hips[1]))
    columns = slice(round(target.points[8, 0]), round(target.points[11, 0]))
    assert wrists and (result.image[rows, columns][result.covered[rows, columns]][:, 2] < 0.6).all()


def test_mask_bounds_what_is_covered() -> None:
    pose = bundled("standing_front")
    mask = torch.zeros(pose.height, pose.width)
    mask[: pose.height // 2] = 1
    result = warped(texture(pose), pose, pose, mask)
    assert result.covered[: pose.height // 2].any() and not result.covered[pose.height // 2 :].any()


def test_wide_clothes_are_warped_whole() -> None:
    """A mask twice as wide as the trunk beside the hips makes the trunk of the result wider there."""
    pose = bundled("t_pose")
    mask = torch.zeros(pose.height, pose.width)
    left, right = (round(x) for x in np.sort(pose.points[[8, 11], 0]) + (-40, 40))
    mask[round(pose.points[1, 1]) : round(pose.points[8, 1]) + 30, left:right] = 1
    row = round(pose.points[[8, 11], 1].mean()) - 10
    plain, wide = (warped(texture(pose), pose, pose, given).person[row].sum() for given in (None, mask))
    assert wide > 1.2 * plain


def test_part_that_the_photo_lacks_is_not_covered() -> None:
    source, target = bundled("standing_front"), bundled("standing_front")
    points = source.points.copy()
    points[[9, 10, 12, 13]] = np.nan
    result = warped(texture(source), replace(source, points=points), target)
    row = round(target.points[[10, 13], 1].mean()) - 10
    assert not result.covered[row].any() and result.person[row].any() and result.image.isfinite().all()


def test_thighs_are_covered_where_ankles_are_outside_the_photo() -> None:
    pose = bundled("standing_front")
    points = pose.points.copy()
    points[[10, 13]] = np.nan
    result = warped(texture(pose), replace(pose, points=points), pose)
    x, y = np.rint(pose.points[[8, 9]].mean(axis=0)).astype(int)
    assert result.covered[y, x]


@pytest.mark.parametrize("which", ["source", "target"])
def test_pose_without_a_trunk_is_refused(which: str) -> None:
    pose = bundled("standing_front")
    points = pose.points.copy()
    points[[8, 9, 10, 11, 12, 13]] = np.nan
    half = replace(pose, points=points)
    with pytest.raises(PoseError, match=f"the {which} pose has no trunk: .* both hips"):
        warped(texture(pose), half if which == "source" else pose, half if which == "target" else pose)


def test_person_outside_the_picture_is_an_empty_wall() -> None:
    pose = bundled("standing_front")
    away = replace(pose, points=pose.points + (5000, 0))
    result = warped(texture(pose), pose, away)
    assert not result.person.any() and not result.covered.any()
    assert result.image.isfinite().all()
