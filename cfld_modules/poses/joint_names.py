"""Joint names as tools and data sets spell them: `left_shoulder`, `LShoulder`, `shoulderLeft`, `LEFT_SHOULDER`."""

import re
from collections.abc import Sequence

from .layouts import Layout

_SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
_PAIRED = {
    "eye": "eye", "ear": "ear", "shoulder": "shoulder", "sho": "shoulder", "elbow": "elbow", "elb": "elbow",
    "wrist": "wrist", "wri": "wrist", "hip": "hip", "knee": "knee", "kne": "knee", "ankle": "ankle", "ank": "ankle",
    "toe": "toe", "big toe": "toe", "foot index": "toe", "heel": "heel", "foot": "foot", "hand": "hand",
}  # fmt: skip
_SINGLE = {
    "nose": "nose", "neck": "neck", "head": "head", "head top": "head", "top head": "head", "top of head": "head",
    "headtop": "head", "head bottom": "head bottom", "upper neck": "head bottom", "thorax": "thorax",
    "neck base": "thorax", "pelvis": "mid hip", "root": "mid hip", "mid hip": "mid hip", "midhip": "mid hip",
    "hip center": "mid hip", "center hip": "mid hip", "spine": "spine", "belly": "spine", "torso": "spine",
}  # fmt: skip
_INSTEAD = {"foot": "ankle", "hand": "wrist", "thorax": "neck"}
"""Where a data set has no name for the joint itself: Human3.6M's foot is the ankle."""

MIN_NAMES = 6


def layout_of_names(names: Sequence[object]) -> Layout | None:
    """The order that a list of names gives; None where too few of them are a body's, as of a face or an animal."""
    joints = [joint_of(name) for name in names]
    sides = {word for joint in joints for word in joint.split()}
    for name, replacement in _INSTEAD.items():
        if replacement not in sides:
            joints = [joint.replace(name, replacement) for joint in joints]
    return tuple(joints) if len(set(joints) - {""}) >= MIN_NAMES else None


def joint_of(name: object) -> str:
    """The joint's name among ours, as `left shoulder`; empty for a point that is of no use here."""
    if not isinstance(name, str) or len(name) > 100:
        return ""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\b[LR])(?=[A-Z][a-z])", " ", name).lower())
    sides = [_SIDES[word] for word in words if word in _SIDES]
    name_of_joint = " ".join(word for word in words if word not in _SIDES)
    if not sides:
        side_and_joint = re.fullmatch("([lr])(.+)", name_of_joint)
        if side_and_joint and side_and_joint[2] in _PAIRED:
            return f"{_SIDES[side_and_joint[1]]} {_PAIRED[side_and_joint[2]]}"
        return _SINGLE.get(name_of_joint, "")
    return f"{sides[0]} {_PAIRED[name_of_joint]}" if len(sides) == 1 and name_of_joint in _PAIRED else ""
