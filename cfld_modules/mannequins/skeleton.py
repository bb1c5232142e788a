"""How a mannequin stands: joint angles with their priors, and the articulated skeleton they put in space.

Camera coordinates as in `shapes`. A person facing the viewer has the left hand at larger x.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .identity import Dice, Proportions

Vector = np.ndarray
Frame = np.ndarray
View = Literal["front", "side", "back"]
Side = Literal["right", "left"]

HIP_OFFSET = 0.046
SIDES: tuple[tuple[Side, int], ...] = (("right", -1), ("left", 1))


@dataclass(frozen=True)
class ArmAngles:
    """Degrees. raise_side: away from the body; raise_front: forwards; turn: the elbow's plane inwards; elbow: bend."""

    raise_side: float
    raise_front: float
    turn: float
    elbow: float


@dataclass(frozen=True)
class LegAngles:
    """Degrees. raise_side: away from the other leg; raise_front: thigh forwards; knee: bend backwards."""

    raise_side: float
    raise_front: float
    knee: float


@dataclass(frozen=True)
class MannequinPose:
    """Joint angles in degrees. yaw: 0 faces the viewer, 90 the left edge of the picture, -90 the right edge, 180 away.

    lean: torso forwards; sway: torso to the person's left; twist: shoulders against hips; head_*: against the torso.
    """

    name: str
    yaw: float
    lean: float
    sway: float
    twist: float
    head_yaw: float
    head_nod: float
    head_tilt: float
    right_arm: ArmAngles
    left_arm: ArmAngles
    right_leg: LegAngles
    left_leg: LegAngles

    @property
    def view(self) -> View:
        """What is mostly seen of the body."""
        turned = abs((self.yaw + 180) % 360 - 180)
        return "front" if turned < 55 else "side" if turned <= 125 else "back"


# The middle and the spread of an angle in degrees.
Prior = tuple[float, float]
# In the order of `ArmAngles` and of `LegAngles`.
ARM_PRIORS: dict[str, tuple[Prior, Prior, Prior, Prior]] = {
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
LEG_PRIORS: dict[str, tuple[Prior, Prior, Prior]] = {
    "straight": ((4, 3), (0, 3), (3, 3)),
    "relaxed": ((8, 4), (9, 5), (18, 8)),
    "apart": ((15, 5), (2, 4), (4, 4)),
    "step forward": ((3, 2), (22, 6), (8, 7)),
    "step back": ((3, 2), (-16, 6), (20, 10)),
    "seated": ((12, 6), (72, 10), (80, 10)),
    "raised": ((6, 4), (46, 10), (66, 14)),
}
# Name: right arm, left arm, right leg, left leg, lean; mirrored half of the time.
POSE_PRIORS: dict[str, tuple[str, str, str, str, Prior]] = {
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
# The middle of the yaw's range, its spread, and how often it is drawn.
VIEW_PRIORS: dict[View, tuple[tuple[float, float], ...]] = {
    "front": ((0, 12), (32, 20), (-32, 20)),
    "side": ((88, 22), (-88, 22)),
    "back": ((180, 16), (150, 18), (-150, 18)),
}


def sample_pose(seed: int, view: View | None = None) -> MannequinPose:
    """The pose of this seed, turned to `view` if given (half of the seeds face the viewer otherwise)."""
    dice = Dice("pose", seed)
    name = dice.pick(tuple(POSE_PRIORS))
    right_arm, left_arm, right_leg, left_leg, lean = POSE_PRIORS[name]
    if dice.happens(0.5):
        right_arm, left_arm, right_leg, left_leg = left_arm, right_arm, left_leg, right_leg
    chosen: View = dice.pick(("front", "front", "side", "back"))
    yaw = dice.around(*dice.pick(VIEW_PRIORS[chosen if view is None else view]))
    return MannequinPose(
        name=name,
        yaw=yaw,
        lean=dice.around(*lean),
        sway=dice.around(0, 5),
        twist=dice.around(0, 10),
        head_yaw=dice.around(0, 28),
        head_nod=dice.around(3, 12),
        head_tilt=dice.around(0, 9),
        right_arm=ArmAngles(*(dice.around(*prior) for prior in ARM_PRIORS[right_arm])),
        left_arm=ArmAngles(*(dice.around(*prior) for prior in ARM_PRIORS[left_arm])),
        right_leg=LegAngles(*(dice.around(*prior) for prior in LEG_PRIORS[right_leg])),
        left_leg=LegAngles(*(dice.around(*prior) for prior in LEG_PRIORS[left_leg])),
    )


@dataclass(frozen=True)
class Limb:
    """Three joints (3,), and the frames (3, 3) of the two segments between them; a third for the hand or the foot."""

    joints: tuple[Vector, Vector, Vector]
    frames: tuple[Frame, Frame, Frame]


@dataclass(frozen=True)
class Skeleton:
    """A person in space, camera coordinates in units of a grown person's height, the pelvis at the origin.

    `torso_length`: pelvis to neck (the middle of the shoulders). `limbs`: right and left `arm` and `leg`, by name.
    """

    pelvis: Frame
    torso: Frame
    head: Frame
    neck: Vector
    head_center: Vector
    torso_length: float
    limbs: dict[str, Limb]

    @property
    def legs(self) -> tuple[Limb, Limb]:
        return self.limbs["right leg"], self.limbs["left leg"]


def articulate(pose: MannequinPose, body: Proportions) -> Skeleton:
    """Forward kinematics: the skeleton of these proportions with these joint angles."""
    down = np.array([0.0, 1.0, 0.0])
    root = _turn_yaw(pose.yaw)
    torso = root @ _turn_yaw(pose.twist) @ _turn_forward(-pose.lean) @ _turn_left(-pose.sway)
    head = torso @ _turn_yaw(pose.head_yaw) @ _turn_forward(-pose.head_nod) @ _turn_left(-pose.head_tilt)
    torso_length = 0.30 * body.stature
    neck = -torso_length * (torso @ down)
    limbs = {}
    for side, sign in SIDES:
        arm: ArmAngles = getattr(pose, f"{side}_arm")
        upper = torso @ _turn_forward(arm.raise_front) @ _turn_left(sign * arm.raise_side) @ _turn_yaw(sign * arm.turn)
        fore = upper @ _turn_forward(arm.elbow)
        shoulder = neck + torso @ np.array([sign * 0.095 * body.shoulders, 0.008, 0.0])
        elbow = shoulder + 0.162 * body.stature * (upper @ down)
        wrist = elbow + 0.142 * body.stature * (fore @ down)
        limbs[f"{side} arm"] = Limb((shoulder, elbow, wrist), (upper, fore, fore))
        leg: LegAngles = getattr(pose, f"{side}_leg")
        thigh = root @ _turn_forward(leg.raise_front) @ _turn_left(sign * leg.raise_side)
        shin = thigh @ _turn_forward(-leg.knee)
        hip = root @ np.array([sign * HIP_OFFSET * body.hips, 0.0, 0.0])
        knee = hip + 0.238 * body.stature * body.legs * (thigh @ down)
        ankle = knee + 0.238 * body.stature * body.legs * (shin @ down)
        foot = root @ _turn_yaw(-sign * 12) @ _turn_forward(0.5 * (leg.raise_front - leg.knee))
        limbs[f"{side} leg"] = Limb((hip, knee, ankle), (thigh, shin, foot))
    return Skeleton(
        pelvis=root,
        torso=torso,
        head=head,
        neck=neck,
        head_center=neck - 0.035 * (torso @ down) - 0.078 * body.head * (head @ down),
        torso_length=torso_length,
        limbs=limbs,
    )


def frame_along(axis: Vector, like: Frame) -> Frame:
    """The frame with this axis down whose left is as near as can be to that of `like`."""
    down = axis / np.linalg.norm(axis)
    left = like[:, 0] - down * (like[:, 0] @ down)
    left /= np.linalg.norm(left)
    return np.stack([left, down, np.cross(left, down)], axis=1)


def _turn_yaw(degrees: float) -> Frame:
    """Facing the viewer becomes facing the left edge, and a person's left hand in front comes to the middle."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _turn_forward(degrees: float) -> Frame:
    """Down becomes forwards (towards the viewer)."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


def _turn_left(degrees: float) -> Frame:
    """Down becomes the person's left."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
