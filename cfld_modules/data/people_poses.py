"""How the people of a drawn data set stand: joint angles from priors, by a pose's seed."""

import numpy as np

from ..people.poses import BodyPose

# Seeds from here on, of identities and of poses, belong to the test split.
FIRST_TEST_SEED = 1_000_000
# The middle and the spread of an angle in degrees.
Prior = tuple[float, float]
# The angles of a limb as `BodyPose` has them.
ARMS: dict[str, tuple[Prior, Prior, Prior, Prior]] = {
    "hanging": ((17, 4), (0, 7), (-8, 10), (14, 9)),
    "swung forward": ((15, 4), (26, 10), (-2, 10), (32, 14)),
    "swung back": ((16, 4), (-22, 8), (-5, 10), (14, 9)),
    "up": ((150, 16), (5, 12), (-20, 20), (25, 22)),
    "waving": ((84, 12), (12, 10), (-90, 12), (98, 20)),
    "on hip": ((46, 6), (-14, 7), (82, 7), (94, 7)),
    "out": ((60, 16), (4, 12), (0, 20), (22, 18)),
    "forward": ((10, 6), (70, 16), (5, 12), (18, 16)),
    "across": ((14, 4), (24, 7), (55, 9), (86, 11)),
    "at chin": ((10, 5), (44, 9), (30, 10), (118, 8)),
}
LEGS: dict[str, tuple[Prior, Prior, Prior]] = {
    "straight": ((3, 2), (0, 2), (3, 3)),
    "relaxed": ((7, 4), (8, 4), (16, 7)),
    "apart": ((13, 4), (1, 3), (3, 3)),
    "step forward": ((2, 2), (22, 6), (8, 6)),
    "step back": ((2, 2), (-16, 5), (20, 9)),
    "raised": ((5, 4), (44, 9), (64, 12)),
}
# Right arm, left arm, right leg, left leg, lean; mirrored half of the time.
POSES: dict[str, tuple[str, str, str, str, Prior]] = {
    "standing": ("hanging", "hanging", "straight", "straight", (0, 2)),
    "resting": ("hanging", "hanging", "straight", "relaxed", (-1, 2)),
    "walking": ("swung back", "swung forward", "step forward", "step back", (3, 2)),
    "arms up": ("up", "up", "apart", "apart", (0, 3)),
    "one arm up": ("up", "hanging", "straight", "relaxed", (0, 3)),
    "waving": ("waving", "hanging", "straight", "straight", (0, 3)),
    "hands on hips": ("on hip", "on hip", "apart", "straight", (0, 2)),
    "hand on hip": ("on hip", "hanging", "straight", "relaxed", (0, 2)),
    "arms out": ("out", "out", "apart", "apart", (0, 2)),
    "reaching": ("forward", "hanging", "step forward", "step back", (5, 3)),
    "thinking": ("at chin", "across", "straight", "relaxed", (1, 2)),
    "one knee up": ("hanging", "swung forward", "raised", "straight", (2, 3)),
}
FRONT = ((0.0, 14.0), (34.0, 18.0), (-34.0, 18.0))
TURNED = ((88.0, 22.0), (-88.0, 22.0), (180.0, 18.0), (145.0, 18.0), (-145.0, 18.0))


def pose_of_seed(seed: int) -> BodyPose:
    """The pose of this seed: half of them face the viewer, and the first of each split does so straight."""
    dice = np.random.default_rng([77, seed])

    def around(middle: float, spread: float) -> float:
        return float(np.clip(dice.normal(), -2, 2) * spread + middle)

    right_arm, left_arm, right_leg, left_leg, lean = POSES[str(dice.choice(list(POSES)))]
    arms, legs = (right_arm, left_arm), (right_leg, left_leg)
    if dice.uniform() < 0.5:
        arms, legs = arms[::-1], legs[::-1]
    views = FRONT if dice.uniform() < 0.5 else TURNED
    yaw = around(*views[dice.integers(len(views))])
    return BodyPose(
        yaw=0.0 if seed % FIRST_TEST_SEED == 0 else yaw,
        torso=(around(*lean), around(0, 4), around(0, 9)),
        head=(around(2, 8), around(0, 6), around(0, 22)),
        arms={side: tuple(around(*prior) for prior in ARMS[arm]) for side, arm in zip("RL", arms, strict=True)},
        legs={side: tuple(around(*prior) for prior in LEGS[leg]) for side, leg in zip("RL", legs, strict=True)},
        curl=around(18, 8),
    )
