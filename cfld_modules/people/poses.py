"""Poses of the rendered people: joint angles drawn from priors, and how they turn the body's bones."""

from dataclasses import dataclass, replace

import numpy as np

from .bodies import BodyModel, Shape

# The middle and the spread of an angle in degrees.
Prior = tuple[float, float]
# Degrees: away from the body; forwards; the elbow's plane inwards; bend of the elbow.
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
# Degrees: away from the other leg; thigh forwards; bend of the knee.
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
FRONT, REST_SPINE = ((0.0, 14.0), (34.0, 18.0), (-34.0, 18.0)), ("spine05", "spine04", "spine03", "spine02", "spine01")
TURNED = ((88.0, 22.0), (-88.0, 22.0), (180.0, 18.0), (145.0, 18.0), (-145.0, 18.0))
NECK = ("neck01", "neck02", "neck03", "head")
SIDES = (("R", -1), ("L", 1))


@dataclass(frozen=True)
class BodyPose:
    """Degrees. yaw: 0 faces the viewer, 90 the picture's left edge; torso and head: forwards, to the left, turned."""

    yaw: float
    torso: tuple[float, float, float]
    head: tuple[float, float, float]
    arms: dict[str, tuple[float, ...]]
    legs: dict[str, tuple[float, ...]]
    curl: float

    def turned(self, yaw: float) -> "BodyPose":
        return replace(self, yaw=yaw)


def sample_pose(seed: int) -> BodyPose:
    """The pose of this seed, half of which face the viewer."""
    dice = np.random.default_rng([77, seed])

    def around(middle: float, spread: float) -> float:
        return float(np.clip(dice.normal(), -2, 2) * spread + middle)

    right_arm, left_arm, right_leg, left_leg, lean = POSES[str(dice.choice(list(POSES)))]
    arms, legs = (right_arm, left_arm), (right_leg, left_leg)
    if dice.uniform() < 0.5:
        arms, legs = arms[::-1], legs[::-1]
    views = FRONT if dice.uniform() < 0.5 else TURNED
    return BodyPose(
        yaw=around(*views[dice.integers(len(views))]),
        torso=(around(*lean), around(0, 4), around(0, 9)),
        head=(around(2, 8), around(0, 6), around(0, 22)),
        arms={side: tuple(around(*prior) for prior in ARMS[arm]) for side, arm in zip("RL", arms, strict=True)},
        legs={side: tuple(around(*prior) for prior in LEGS[leg]) for side, leg in zip("RL", legs, strict=True)},
        curl=around(18, 8),
    )


def bone_turns(pose: BodyPose, model: BodyModel, shape: Shape) -> dict[str, np.ndarray]:
    """Rotations from rest to pose, of all bones that do not simply follow their parents."""
    root = _yaw(pose.yaw)
    turns = {"root": root}
    for below, bones, (forwards, left, around) in (("root", REST_SPINE, pose.torso), ("spine01", NECK, pose.head)):
        for place, bone in enumerate(bones, start=1):
            share = place / len(bones)
            turns[bone] = turns[below] @ _yaw(share * around) @ _forwards(-share * forwards) @ _left(-share * left)
    torso = turns["spine01"]
    heads = {name: shape.bones[number, :3, 3] for name, number in model.bones.items()}
    for side, sign in SIDES:
        raised, ahead, inwards, elbow = pose.arms[side]
        upper = torso @ _forwards(ahead) @ _left(sign * raised) @ _yaw(sign * inwards)
        lift = np.clip((raised - 40) / 3, 0, 35)
        for bone in ("clavicle", "shoulder01"):
            turns[f"{bone}.{side}"] = torso @ _left(sign * lift * (0.6 if bone == "clavicle" else 1))
        turns[f"upperarm01.{side}"] = upper @ _from_rest(heads, "upperarm01", "lowerarm01", side)
        turns[f"lowerarm01.{side}"] = upper @ _forwards(elbow) @ _from_rest(heads, "lowerarm01", "wrist", side)
        for finger in range(2, 6):
            for joint in range(1, 4):
                name = f"finger{finger}-{joint}.{side}"
                turns[name] = turns[f"lowerarm01.{side}"] @ _left(-sign * joint * pose.curl * (0.6 + 0.12 * finger))
        apart, thigh_ahead, knee = pose.legs[side]
        thigh = root @ _forwards(thigh_ahead) @ _left(sign * apart)
        turns[f"upperleg01.{side}"] = thigh @ _from_rest(heads, "upperleg01", "lowerleg01", side)
        turns[f"lowerleg01.{side}"] = thigh @ _forwards(-knee) @ _from_rest(heads, "lowerleg01", "foot", side)
        turns[f"foot.{side}"] = root @ _yaw(-sign * 8) @ _forwards(0.5 * (thigh_ahead - knee))
    return turns


def _from_rest(heads: dict[str, np.ndarray], bone: str, end: str, side: str) -> np.ndarray:
    """Brings the bone from its rest pose to hanging down, without turning it about itself."""
    along = heads[f"{end}.{side}"] - heads[f"{bone}.{side}"]
    along = along / np.linalg.norm(along)
    down = np.array([0.0, 0.0, -1.0])
    axis, cosine = np.cross(along, down), float(along @ down)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def _yaw(degrees: float) -> np.ndarray:
    """Facing the viewer becomes facing the left edge of the picture."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def _forwards(degrees: float) -> np.ndarray:
    """Down becomes forwards."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


def _left(degrees: float) -> np.ndarray:
    """Down becomes the person's left."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
