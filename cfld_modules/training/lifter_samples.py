"""Training samples of the lifter: skeletons in wide variety, seen from anywhere, as detectors see them."""

import numpy as np
import torch
from torch.utils.data import Dataset

from ..poses.keypoints import LIMBS, MIRROR
from ..poses.visibility import hidden_joints
from .skeletons import ARM_PRIORS, LEG_PRIORS, Angles, place_joints, random_angles, random_proportions, rotation

POSES_IN_A_SAMPLE = 256
"""Drawn at random together: one by one takes a hundred times as long."""

ANY_ARM = np.array([(-15, 170), (-50, 150), (-100, 130), (0, 145)], float)
ANY_LEG = np.array([(-12, 65), (-40, 125), (0, 140)], float)
"""Ranges of the angles in degrees, in the order of `skeletons.ARMS` and `LEGS`."""

HEAD = [0, 14, 15, 16, 17]
LIMB_ENDS = ([3, 4], [4], [6, 7], [7], [9, 10], [10], [12, 13], [13])
LEAST_JOINTS = 5


def build_skeletons(count: int, seed: int) -> np.ndarray:
    """(count, 18, 3) float32 in units of a grown person's height, hips at the origin, facing the viewer.

    A third stands as people do; of the others arms, legs, trunk and head are drawn anew, each by itself, from other
    poses or from all that joints can do.
    """
    random = np.random.default_rng([seed, 0])
    angles = _varied(random_angles(count, random), np.arange(count) % 3 > 0, random)
    return place_joints(angles, random_proportions(count, random)).astype(np.float32)


def _varied(angles: Angles, others: np.ndarray, random: np.random.Generator) -> Angles:
    """Of all `others` (n,)."""
    count = len(others)
    trunk = np.stack([random.uniform(-25, 95, count), random.normal(0, 15, count), random.normal(0, 25, count)], axis=1)
    head = random.normal(0, (25, 15, 40), (count, 3))
    changed_trunk, changed_head = (others & (random.random(count) < 0.4) for _ in range(2))
    return Angles(
        np.where(changed_trunk[:, None], trunk, angles.trunk), np.where(changed_head[:, None], head, angles.head),
        _varied_limbs(angles.arms, ARM_PRIORS, ANY_ARM, others, random),
        _varied_limbs(angles.legs, LEG_PRIORS, ANY_LEG, others, random),
    )


def _varied_limbs(
    angles: np.ndarray, priors: np.ndarray, widest: np.ndarray, others: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """(n, 2, angles): each limb as it is, as in another pose, or anyhow."""
    middle, spread = np.moveaxis(priors[random.integers(len(priors), size=angles.shape[:2])], -1, 0)
    as_in_another_pose, anyhow = random.normal(middle, spread), random.uniform(widest[:, 0], widest[:, 1], angles.shape)
    draw = random.random((*angles.shape[:2], 1))
    varied = np.where(draw < 0.35, as_in_another_pose, np.where(draw < 0.75, anyhow, angles))
    alike = random.random((len(angles), 1, 1)) < 0.3  # squatting, kneeling, arms in parallel
    return np.where(others[:, None, None], np.where(alike, varied[:, :1], varied), angles)


class LifterSamples(Dataset):
    """Sample n of an endless run over the skeletons, each time with other proportions, from another side.

    A sample is `points` (256, 18, 2), NaN where missing, and `space` (256, 18, 3), in units of a person's height.
    """

    def __init__(self, skeletons: np.ndarray, seed: int) -> None:
        self.skeletons, self.seed = skeletons, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, 1, number])
        space = self.skeletons[random.integers(len(self.skeletons), size=POSES_IN_A_SAMPLE)].astype(np.float64)
        mirrored = random.random(POSES_IN_A_SAMPLE) < 0.5
        space[mirrored] = space[mirrored][:, MIRROR] * (-1, 1, 1)
        space = turn_at_random(bend_knees_sideways(other_proportions(space, random), random), random)
        points = photograph(space, random)
        points[missing_joints(space, points, random)] = np.nan
        return {"points": torch.from_numpy(points).float(), "space": torch.from_numpy(space).float()}


def other_proportions(space: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(B, 18, 3) with the bones of another body: both sides alike within 2 %, a head of one size, one trunk."""
    factors = np.exp(random.normal(0, 0.1, (len(space), len(MIRROR))))
    factors = (factors + factors[:, MIRROR]) / 2 * np.exp(random.normal(0, 0.02, factors.shape))
    factors[:, HEAD] = factors[:, :1]
    factors[:, [8, 11]] = factors[:, 8:9]
    new_space = space.copy()
    for parent, joint in LIMBS:
        new_space[:, joint] = new_space[:, parent] + (space[:, joint] - space[:, parent]) * factors[:, [joint]]
    return new_space


def bend_knees_sideways(space: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shins turned about the thighs, which `skeletons` leaves out: crossed legs, sitting cross-legged."""
    new_space = space.copy()
    for hip, knee, ankle in ((8, 9, 10), (11, 12, 13)):
        wide = random.random(len(space)) < 0.25
        angles = np.radians(np.where(wide, random.uniform(-80, 80, len(space)), random.normal(0, 15, len(space))))
        thigh, shin = space[:, knee] - space[:, hip], space[:, ankle] - space[:, knee]
        axis = thigh / np.linalg.norm(thigh, axis=1, keepdims=True)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        along = axis * (axis * shin).sum(axis=1, keepdims=True)
        new_space[:, ankle] = new_space[:, knee] + along + (shin - along) * cos + np.cross(axis, shin) * sin
    return new_space


def turn_at_random(space: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Seen from any side, by a camera about level; a few lie, or are seen from far above or below."""
    count = len(space)
    yaw = random.uniform(0, 2 * np.pi, count)
    is_any_pitch = random.random(count) < 0.08
    pitch = np.where(is_any_pitch, random.uniform(-0.9, 0.9, count), random.normal(0.05, 0.12, count))
    roll = np.where(random.random(count) < 0.04, random.uniform(-1.6, 1.6, count), random.normal(0, 0.06, count))
    return space @ rotation(yaw, 0, 2) @ rotation(pitch, 1, 2) @ rotation(roll, 0, 1)


def photograph(space: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(B, 18, 2) as a detector finds them: half with perspective, from 2.5 to 10 times the height away; with noise."""
    nearness = np.where(random.random(len(space)) < 0.5, 1 / random.uniform(2.5, 10, len(space)), 0)[:, None, None]
    points = space[..., :2] / (1 + space[..., 2:] * nearness)
    return points + random.normal(0, 1, points.shape) * random.uniform(0, 0.012, (len(space), 1, 1))


def missing_joints(space: np.ndarray, points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(B, 18) bool: hidden ones, those the picture's edge cuts off, and those that detectors lose anyway."""
    count = len(space)
    missing = hidden_joints(space) & (random.random((count, 18)) < random.choice([0.5, 0.9, 1.0], (count, 1)))
    loss_share = np.where(random.random((count, 1)) < 0.5, 0, random.uniform(0, 0.2, (count, 1)))
    missing |= random.random((count, 18)) < loss_share
    for joints in LIMB_ENDS:
        missing[:, joints] |= random.random((count, 1)) < 0.02
    # A portrait ends at a height between chest and shin; or the head is cut off, or a side.
    cut = random.random(count)
    below = np.where(cut < 0.3, random.uniform(-0.15, 0.4, count), np.inf)
    above = np.where((cut > 0.3) & (cut < 0.34), random.uniform(-0.35, -0.1, count), -np.inf)
    beside = np.where((cut > 0.34) & (cut < 0.4), random.uniform(0.05, 0.2, count), np.inf)
    x, y = points[..., 0], points[..., 1]
    missing |= (y > below[:, None]) | (y < above[:, None]) | (x > beside[:, None])
    missing[(~missing).sum(axis=1) < LEAST_JOINTS] = False
    return missing
