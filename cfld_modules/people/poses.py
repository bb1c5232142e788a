"""How a drawn person stands: angles of joints, and the turns of the body's bones that they mean."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from .bodies import Shape

SPINE, NECK = ("spine05", "spine04", "spine03", "spine02", "spine01"), ("neck01", "neck02", "neck03", "head")
SIDES = (("R", -1), ("L", 1))


@dataclass(frozen=True)
class BodyPose:
    """Degrees.

    yaw: 0 faces the viewer, 90 the picture's left edge.
    torso, head: forwards, to the left, turned.
    arms: by side, `R` or `L`: away from the body; forwards; the elbow's plane inwards; bend of the elbow.
    legs: by side: away from the other leg; thigh forwards; bend of the knee.
    curl: of the fingers.
    """

    yaw: float
    torso: tuple[float, float, float]
    head: tuple[float, float, float]
    arms: dict[str, tuple[float, ...]]
    legs: dict[str, tuple[float, ...]]
    curl: float

    def turned(self, yaw: float) -> "BodyPose":
        return replace(self, yaw=yaw)


def bone_turns(pose: BodyPose, shape: Shape) -> dict[str, np.ndarray]:
    """Rotations from rest to pose, of all bones that do not simply follow their parents."""
    root = _yaw(pose.yaw)
    turns = {"root": root}
    for below, bones, (forwards, left, around) in (("root", SPINE, pose.torso), ("spine01", NECK, pose.head)):
        for place, bone in enumerate(bones, start=1):
            share = place / len(bones)
            turns[bone] = turns[below] @ _yaw(share * around) @ _forwards(-share * forwards) @ _left(-share * left)
    torso = turns["spine01"]
    for side, sign in SIDES:
        raised, ahead, inwards, elbow = pose.arms[side]
        upper = torso @ _forwards(ahead) @ _left(sign * raised) @ _yaw(sign * inwards)
        lift = np.clip((raised - 40) / 3, 0, 35)
        turns[f"clavicle.{side}"] = torso @ _left(sign * lift * 0.6)
        turns[f"shoulder01.{side}"] = torso @ _left(sign * lift)
        turns[f"upperarm01.{side}"] = upper @ _from_rest(shape.heads, "upperarm01", "lowerarm01", side)
        turns[f"lowerarm01.{side}"] = upper @ _forwards(elbow) @ _from_rest(shape.heads, "lowerarm01", "wrist", side)
        for finger, joint in product(range(2, 6), range(1, 4)):
            bend = _left(-sign * joint * pose.curl * (0.6 + 0.12 * finger))
            turns[f"finger{finger}-{joint}.{side}"] = turns[f"lowerarm01.{side}"] @ bend
        apart, thigh_ahead, knee = pose.legs[side]
        thigh = root @ _forwards(thigh_ahead) @ _left(sign * apart)
        turns[f"upperleg01.{side}"] = thigh @ _from_rest(shape.heads, "upperleg01", "lowerleg01", side)
        turns[f"lowerleg01.{side}"] = thigh @ _forwards(-knee) @ _from_rest(shape.heads, "lowerleg01", "foot", side)
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
