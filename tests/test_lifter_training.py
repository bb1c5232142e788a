"""Training the lifter: samples as detectors see people, a loss that falls, and an export that lifts."""

import numpy as np
import pytest
import torch

from cfld_modules.command_line import main
from cfld_modules.poses.keypoints import LIMBS, MIRROR
from cfld_modules.poses.lifting import LIFTER_FILE, load_lifter
from cfld_modules.training.lifter_samples import LifterSamples, build_skeletons, other_proportions, turn_at_random
from cfld_modules.training.skeletons import Angles, Proportions, place_joints, random_angles, random_proportions


@pytest.fixture(scope="module")
def skeletons() -> np.ndarray:
    return build_skeletons(300, seed=1)


@pytest.fixture(scope="module")
def sample(skeletons: np.ndarray) -> dict[str, torch.Tensor]:
    return LifterSamples(skeletons, seed=1)[0]


def lengths(space: np.ndarray) -> np.ndarray:
    return np.stack([np.linalg.norm(space[:, end] - space[:, start], axis=1) for start, end in LIMBS], axis=1)


def posed(trunk=(0, 0, 0), head=(0, 0, 0), right_arm=(0, 0, 0, 0), right_leg=(0, 0, 0)) -> np.ndarray:
    """An average body, upright but for what is given."""
    arms, legs = [right_arm, (0, 0, 0, 0)], [right_leg, (0, 0, 0)]
    angles = Angles(*(np.array([degrees], float) for degrees in (trunk, head, arms, legs)))
    return place_joints(angles, Proportions(*np.ones((5, 1))))[0]


def test_somebody_upright_is_as_tall_and_symmetric_as_people_are() -> None:
    upright = posed()
    np.testing.assert_allclose(upright[list(MIRROR)] * (-1, 1, 1), upright, atol=1e-12)
    assert (upright[[2, 3, 4, 8, 9, 10, 14, 16], 0] < 0).all(), "right is at smaller x"
    np.testing.assert_allclose(upright[[2, 3, 4], 0], upright[2, 0])
    assert upright[0, 2] < upright[14, 2] < upright[16, 2] < 0, "the nose is nearest"
    assert np.ptp(upright[:, 1]) == pytest.approx(0.89, abs=0.01), "from the eyes to the ankles"


@pytest.mark.parametrize(("changes", "joint", "axis", "sign"), [
    ({"right_arm": (90, 0, 0, 0)}, 4, 0, -1), ({"right_arm": (0, 90, 0, 0)}, 4, 2, -1),
    ({"right_arm": (0, 0, 0, 90)}, 4, 2, -1), ({"right_arm": (0, 0, 90, 90)}, 4, 0, 1),
    ({"right_leg": (40, 0, 0)}, 10, 0, -1), ({"right_leg": (0, 90, 0)}, 9, 2, -1),
    ({"right_leg": (0, 0, 90)}, 10, 2, 1), ({"trunk": (40, 0, 0)}, 1, 2, -1),
    ({"trunk": (0, 20, 0)}, 1, 0, 1), ({"head": (30, 0, 0)}, 0, 1, 1), ({"head": (0, 20, 0)}, 14, 0, 1),
    ({"trunk": (0, 0, 30)}, 5, 2, -1),
], ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_joints_bend_the_way_people_s_do(changes: dict, joint: int, axis: int, sign: int) -> None:
    """Aside, forwards, backwards, inwards; which joint then moves along which axis."""
    assert sign * (posed(**changes) - posed())[joint, axis] > 0.01
    limbs = [place for place, (start, _) in enumerate(LIMBS) if 2 <= start <= 12]
    np.testing.assert_allclose(*(lengths(one[None])[:, limbs] for one in (posed(**changes), posed())))


def test_people_stand_within_their_priors_on_either_side_alike() -> None:
    random = np.random.default_rng(1)
    space = place_joints(random_angles(4000, random), random_proportions(4000, random))
    mirrored = space[:, MIRROR] * (-1, 1, 1)
    np.testing.assert_allclose(space.mean(axis=0), mirrored.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(space.std(axis=0), mirrored.std(axis=0), atol=0.01)
    wrists = space[:, 4, 1] - space[:, 1, 1]
    assert (wrists < 0).mean() == pytest.approx(2 / 15, abs=0.02), "arms up; one up, or waving, half the time this one"


def test_skeletons_vary_and_come_back(skeletons: np.ndarray) -> None:
    np.testing.assert_array_equal(skeletons, build_skeletons(300, seed=1))
    assert np.isfinite(skeletons).all()
    wrists = skeletons[:, 4] - skeletons[:, 2]
    assert (wrists.std(axis=0) > 0.08).all(), "arms point anywhere"
    heights = np.ptp(skeletons[..., 1], axis=1)
    assert heights.min() < 0.75 and heights.max() > 0.95, "some crouch or bow, some stretch"


def test_a_sample_hangs_on_its_number_alone(skeletons: np.ndarray, sample: dict[str, torch.Tensor]) -> None:
    samples = LifterSamples(skeletons, seed=1)
    other, again = samples[1], samples[0]
    assert all(torch.equal(again[name].nan_to_num(), sample[name].nan_to_num()) for name in sample)
    assert not torch.equal(other["space"], sample["space"])


def test_points_are_where_the_joints_are_or_missing(sample: dict[str, torch.Tensor]) -> None:
    points, space = sample["points"], sample["space"]
    there = ~points.isnan().any(dim=-1)
    assert (points - space[..., :2])[there].abs().mean() < 0.03
    assert (there.sum(dim=1) >= 5).all()
    share = there.float().mean(dim=0)
    assert (share < 0.97).all() and (share[[1, 2, 5]] > 0.8).all(), "every joint is lost at times, the trunk least"
    assert there.all(dim=1).float().mean() > 0.02, "some show everything"


def test_other_proportions_keep_directions_and_one_trunk(skeletons: np.ndarray) -> None:
    space = skeletons.astype(np.float64)
    changed = other_proportions(space, np.random.default_rng(1))
    for start, end in LIMBS:
        before, after = space[:, end] - space[:, start], changed[:, end] - changed[:, start]
        cosine = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
        assert cosine.min() > 1 - 1e-6
    ratios = lengths(changed) / lengths(space)
    assert ratios.std() > 0.05 and 0.5 < ratios.min() < ratios.max() < 2
    np.testing.assert_allclose(ratios[:, LIMBS.index((1, 8))], ratios[:, LIMBS.index((1, 11))])


def test_views_are_from_everywhere_and_rigid(skeletons: np.ndarray) -> None:
    space = skeletons.astype(np.float64)
    turned = turn_at_random(space, np.random.default_rng(1))
    np.testing.assert_allclose(lengths(turned), lengths(space), atol=1e-9)
    across = turned[:, 5] - turned[:, 2]
    yaw = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    assert (np.histogram(yaw, 8, (-180, 180))[0] > 15).all()
    head_up = turned[:, 0, 1] < turned[:, 10, 1]
    assert head_up.mean() > 0.85


def test_the_command_trains_and_exports(tmp_path) -> None:
    (tmp_path / "lifter.yaml").write_text(
        f"output: {tmp_path / 'run'}\nskeletons: 200\nwidth: 32\nblocks: 1\n"
        "training: {steps: 60, batch_size: 1, learning_rate: 3e-3, warmup_steps: 1, sheet_every: 60, ema_decay: 0.9}\n"
    )
    assert main(["train-lifter", str(tmp_path / "lifter.yaml")]) == 0
    assert (tmp_path / "run" / "sheets" / "step-00000060.png").exists()
    lifter = load_lifter(tmp_path / "run" / "lifter.safetensors")
    sample = LifterSamples(build_skeletons(200, seed=7), seed=7)[0]
    there = ~sample["points"].isnan().any(dim=-1)
    depth = sample["space"][..., 2]
    depth = depth - (depth * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True)
    error = (lifter(sample["points"])[..., 2] - depth)[there].abs().mean()
    assert error < 0.9 * depth[there].abs().mean()


def test_a_mistake_in_the_configuration_is_named(tmp_path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "lifter.yaml").write_text("output: x\ntraining: {steps: 1}\nwidht: 3\n")
    assert main(["train-lifter", str(tmp_path / "lifter.yaml")]) == 2
    assert "widht: no such setting; is width meant?" in capsys.readouterr().err


def test_the_lifter_that_comes_along_is_small() -> None:
    assert LIFTER_FILE.stat().st_size < 400_000
