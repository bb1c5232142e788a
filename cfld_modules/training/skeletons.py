"""Skeletons at random: how people stand, by priors of their joints' angles, and where OpenPose's key points are then.

All of it is of many people at once. In space x runs to the right of the picture, y down, z away from the viewer; who
faces the viewer has the left hand at larger x. Lengths are in units of a grown person's height.
"""

from dataclasses import dataclass

import numpy as np

# The middle and the spread of an angle in degrees.
Prior = tuple[float, float]
# Away from the body; forwards; the elbow's plane inwards; bend of the elbow.
ARMS: dict[str, tuple[Prior, Prior, Prior, Prior]] = {
    "hanging": ((12, 7), (0, 10), (10, 20), (14, 14)),
    "swung forward": ((9, 5), (28, 12), (10, 15), (35, 20)),
    "swung back": ((10, 5), (-26, 10), (0, 15), (14, 12)),
    "up": ((158, 16), (5, 15), (-20, 25), (25, 25)),
    "waving": ((88, 15), (12, 12), (-90, 12), (98, 24)),
    "on hip": ((46, 7), (-14, 8), (82, 8), (94, 8)),
    "out": ((62, 16), (4, 14), (0, 25), (22, 20)),
    "forward": ((10, 8), (72, 18), (5, 15), (18, 18)),
    "across": ((12, 5), (24, 8), (62, 10), (92, 14)),
    "behind back": ((20, 5), (-26, 6), (125, 12), (62, 14)),
    "at chin": ((8, 6), (42, 10), (34, 12), (126, 8)),
}
# Away from the other leg; thigh forwards; bend of the knee.
LEGS: dict[str, tuple[Prior, Prior, Prior]] = {
    "straight": ((4, 3), (0, 3), (3, 3)),
    "relaxed": ((8, 4), (9, 5), (18, 8)),
    "apart": ((15, 5), (2, 4), (4, 4)),
    "step forward": ((3, 2), (22, 6), (8, 7)),
    "step back": ((3, 2), (-16, 6), (20, 10)),
    "seated": ((12, 6), (72, 10), (80, 10)),
    "raised": ((6, 4), (46, 10), (66, 14)),
}
# Right arm, left arm, right leg, left leg, how far the trunk leans forwards; mirrored half of the time.
POSES: dict[str, tuple[str, str, str, str, Prior]] = {
    "standing": ("hanging", "hanging", "straight", "straight", (0, 3)),
    "resting": ("hanging", "hanging", "straight", "relaxed", (-1, 3)),
    "walking": ("swung back", "swung forward", "step forward", "step back", (4, 3)),
    "arms up": ("up", "up", "apart", "apart", (0, 4)),
    "one arm up": ("up", "hanging", "straight", "relaxed", (0, 4)),
    "waving": ("waving", "hanging", "straight", "straight", (0, 3)),
    "hands on hips": ("on hip", "on hip", "apart", "straight", (0, 3)),
    "hand on hip": ("on hip", "hanging", "straight", "relaxed", (0, 3)),
    "arms out": ("out", "out", "apart", "apart", (0, 3)),
    "reaching": ("forward", "hanging", "step forward", "step back", (6, 4)),
    "arms crossed": ("across", "across", "straight", "relaxed", (0, 3)),
    "hands behind back": ("behind back", "behind back", "straight", "straight", (0, 3)),
    "thinking": ("at chin", "across", "straight", "relaxed", (2, 3)),
    "sitting": ("swung forward", "swung forward", "seated", "seated", (6, 5)),
    "one knee up": ("hanging", "swung forward", "raised", "straight", (2, 4)),
}
ARM_PRIORS, LEG_PRIORS = np.array(list(ARMS.values()), float), np.array(list(LEGS.values()), float)
# (poses, sides, angles, 2), (poses, sides, angles, 2) and (poses, 2).
ARMS_OF_POSES = np.array([[ARMS[right], ARMS[left]] for right, left, *_ in POSES.values()], float)
LEGS_OF_POSES = np.array([[LEGS[right], LEGS[left]] for _, _, right, left, _ in POSES.values()], float)
LEANS = np.array([lean for *_, lean in POSES.values()], float)
# To the left, and turned to the right, of the trunk against the hips; forwards, to the left and turned of the head.
TRUNK_PRIORS, HEAD_PRIORS = np.array([(0, 5), (0, 10)], float), np.array([(3, 12), (0, 9), (0, 28)], float)
# Factors on the average body: its middle and spread.
STATURE, SHOULDERS, HIPS, LEG_LENGTH, HEAD_SIZE = (0.97, 0.06), (1.0, 0.14), (1.0, 0.12), (1.0, 0.05), (1.0, 0.08)

# Lengths of trunk, upper arm and forearm, thigh and shin; from the middle to shoulder and hip.
TRUNK, ARM, LEG, SHOULDER, HIP = 0.3, (0.162, 0.142), (0.238, 0.238), 0.095, 0.046
SHOULDER_DROP, NECK_LENGTH, HEAD_HEIGHT = 0.008, 0.035, 0.078  # neck to shoulders, to the skull, and on to its middle
# Nose, right eye, left eye, right ear, left ear, from the middle of the head, just below its surface.
FACE = np.array([
    (0, 0.0174, -0.0596), (-0.0198, 0, -0.0568), (0.0198, 0, -0.0568), (-0.0505, 0.0087, -0.013),
    (0.0505, 0.0087, -0.013),
])  # fmt: skip
SIDES = (-1, 1)  # where right and left are
FACE_JOINTS, ARM_JOINTS, LEG_JOINTS = [0, 14, 15, 16, 17], ([2, 3, 4], [5, 6, 7]), ([8, 9, 10], [11, 12, 13])
DOWN = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Angles:
    """Degrees, of n people who face the viewer.

    trunk, head: (n, 3), forwards, to the left, turned; the trunk against the hips, the head against the trunk.
    arms: (n, 2, 4), legs: (n, 2, 3): the right one and the left one, as in `ARMS` and `LEGS`.
    """

    trunk: np.ndarray
    head: np.ndarray
    arms: np.ndarray
    legs: np.ndarray


@dataclass(frozen=True)
class Proportions:
    """Factors on the average body, (n,) each; `legs` beside `stature`."""

    stature: np.ndarray
    shoulders: np.ndarray
    hips: np.ndarray
    legs: np.ndarray
    head: np.ndarray


def random_angles(count: int, random: np.random.Generator) -> Angles:
    """As people stand: of `POSES`."""
    pose = random.integers(len(POSES), size=count)
    side_order = np.where(random.random((count, 1)) < 0.5, [[0, 1]], [[1, 0]])
    lean = _around(LEANS[pose], random)[:, None]
    trunk = np.hstack([lean, _around(np.tile(TRUNK_PRIORS, (count, 1, 1)), random)])
    return Angles(
        trunk, _around(np.tile(HEAD_PRIORS, (count, 1, 1)), random),
        _around(ARMS_OF_POSES[pose[:, None], side_order], random),
        _around(LEGS_OF_POSES[pose[:, None], side_order], random),
    )


def random_proportions(count: int, random: np.random.Generator) -> Proportions:
    priors = np.array([STATURE, SHOULDERS, HIPS, LEG_LENGTH, HEAD_SIZE])
    return Proportions(*_around(np.tile(priors, (count, 1, 1)), random).T)


def _around(priors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Bell-shaped, within the spread of the middle: (..., 2) -> (...)."""
    middle, spread = priors[..., 0], priors[..., 1]
    return random.triangular(middle - spread, middle, middle + spread)


def place_joints(angles: Angles, body: Proportions) -> np.ndarray:
    """(n, 18, 3): OpenPose's key points, the middle of the hips at the origin."""
    trunk = _carriage(angles.trunk)
    head = trunk @ _carriage(angles.head)
    stature, shoulders, hips, legs, size = (factor[:, None] for factor in vars(body).values())
    joints = np.empty((len(trunk), 18, 3))
    joints[:, 1] = neck = -TRUNK * stature * (trunk @ DOWN)
    middle = neck - NECK_LENGTH * (trunk @ DOWN) - HEAD_HEIGHT * size * (head @ DOWN)
    joints[:, FACE_JOINTS] = middle[:, None] + size[..., None] * FACE @ head.swapaxes(1, 2)
    for side, sign in enumerate(SIDES):
        raised, ahead, inwards, bend = angles.arms[:, side].T
        upper_arm = trunk @ _forwards(ahead) @ _left(sign * raised) @ _turned(sign * inwards)
        shoulder = neck + sign * SHOULDER * shoulders * trunk[..., 0] + SHOULDER_DROP * trunk[..., 1]
        joints[:, ARM_JOINTS[side]] = _limb(shoulder, ARM * stature, upper_arm, upper_arm @ _forwards(bend))
        raised, ahead, bend = angles.legs[:, side].T
        thigh = _forwards(ahead) @ _left(sign * raised)
        hip = sign * HIP * hips * [1.0, 0.0, 0.0]
        joints[:, LEG_JOINTS[side]] = _limb(hip, LEG * stature * legs, thigh, thigh @ _forwards(-bend))
    return joints


def _limb(start: np.ndarray, lengths: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(n, 3, 3): its joints, of segments (n, 2) long that hang down in these frames (n, 3, 3)."""
    middle = start + lengths[:, :1] * (upper @ DOWN)
    return np.stack([start, middle, middle + lengths[:, 1:] * (lower @ DOWN)], axis=1)


def _carriage(angles: np.ndarray) -> np.ndarray:
    """(n, 3, 3) of (n, 3): how far up is tilted forwards and to the left, and turned."""
    forwards, left, turned = angles.T
    return _turned(turned) @ _forwards(-forwards) @ _left(-left)


def _turned(degrees: np.ndarray) -> np.ndarray:
    """A person's left hand in front comes to the middle."""
    return rotation(np.radians(degrees), 0, 2)


def _forwards(degrees: np.ndarray) -> np.ndarray:
    """Down becomes forwards, towards the viewer."""
    return rotation(np.radians(degrees), 1, 2)


def _left(degrees: np.ndarray) -> np.ndarray:
    """Down becomes the person's left."""
    return rotation(np.radians(degrees), 0, 1)


def rotation(angles: np.ndarray, first: int, second: int) -> np.ndarray:
    """(n, 3, 3) by radians (n,), in the plane of two axes: the second towards the first."""
    matrices = np.tile(np.eye(3), (len(angles), 1, 1))
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angles)
    matrices[:, first, second] = np.sin(angles)
    matrices[:, second, first] = -np.sin(angles)
    return matrices
