"""In which order the tools list a body's points, and which order a list is in where its length does not say.

Lists of 19, 20 and 25 points come in two orders: OpenPose's BODY_25 (all of it or its beginning) has the mid hip as
point 8 and the eyes and ears as 15 to 18; others write the 18 points of COCO order first, eyes and ears as 14 to 17,
then toes and zeros. Read in the wrong order, an ankle is an eye. The bones tell: in statures of the person they are as
long as an adult's or shorter, seldom by much, and in the wrong order some go from the head to the feet. The same tells
COCO's 17 points from the 17 of other data sets.
"""

import numpy as np

from .keypoints import JOINT_NAMES

Layout = tuple[str, ...]
"""Names of points in the order of a list; points after the last one named are of no use here (face, hands)."""

COCO_18: Layout = (*JOINT_NAMES, "right toe", "left toe")
BODY_25: Layout = (
    *JOINT_NAMES[:8], "mid hip", *JOINT_NAMES[8:], "left toe", "left toe", "left heel", "right toe", "right toe",
    "right heel",
)  # fmt: skip
COCO_17: Layout = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)  # fmt: skip
HALPE_26: Layout = (*COCO_17, "head", "neck")

LAYOUTS: dict[int, tuple[Layout, ...]] = {
    17: (COCO_17,),  # COCO, MMPose, YOLO
    18: (COCO_18,),
    19: (COCO_18, BODY_25),
    20: (COCO_18, BODY_25),
    25: (COCO_18, BODY_25),
    26: (HALPE_26,),  # AlphaPose; 136 with face and hands
    60: (COCO_18,),  # an older editor: with two hands
    133: (COCO_17,),  # COCO-WholeBody
    136: (HALPE_26,),
}
"""The orders a list of so many points may be in."""

ADULT = {
    "nose": ("neck", 0.12), "right eye": ("nose", 0.04), "left eye": ("nose", 0.04),
    "right ear": ("right eye", 0.06), "left ear": ("left eye", 0.06),
    "right shoulder": ("neck", 0.11), "right elbow": ("right shoulder", 0.17), "right wrist": ("right elbow", 0.15),
    "left shoulder": ("neck", 0.11), "left elbow": ("left shoulder", 0.17), "left wrist": ("left elbow", 0.15),
    "right hip": ("neck", 0.30), "right knee": ("right hip", 0.245), "right ankle": ("right knee", 0.245),
    "left hip": ("neck", 0.30), "left knee": ("left hip", 0.245), "left ankle": ("left knee", 0.245),
    "mid hip": ("right hip", 0.06), "right toe": ("right ankle", 0.07), "left toe": ("left ankle", 0.07),
    "right heel": ("right ankle", 0.05), "left heel": ("left ankle", 0.05),
}  # fmt: skip
"""Each point's bone: the point at its other end, and its length in statures."""

_ARMS = JOINT_NAMES[:8]  # and the nose: where they are is the same in several orders, so the stature is measured there

CLEARLY_BETTER, BELIEVABLE = 0.3, 0.9
"""In statures, summed over the bones: by how much an order must fit better than the other, and how well at least."""

LEAST_OF_THE_ARMS = 4
"""Points of nose, neck and arms without which nothing says how tall a person is."""

MOST_OF_A_BONE = 0.4
"""What one bone adds at most, in statures: a single joint in a wrong place says little about the order."""


def layout_of(points: np.ndarray) -> Layout | None:
    """The order that a body's points are in; None where the bones do not tell.

    Args:
        points: (n, 2), n a key of `LAYOUTS`, NaN where missing.
    """
    layouts = LAYOUTS[len(points)]
    if layouts == (COCO_18,):
        return COCO_18
    if np.isfinite(points[: len(_ARMS)]).all(axis=1).sum() < LEAST_OF_THE_ARMS and len(layouts) > 1:
        return None
    misfits = [_misfit(points, layout) for layout in layouts]
    best, *others = sorted(range(len(layouts)), key=misfits.__getitem__)
    is_clear = all(misfits[other] - misfits[best] > CLEARLY_BETTER for other in others)
    return layouts[best] if is_clear and misfits[best] < BELIEVABLE else None


def to_coco18(points: np.ndarray, layout: Layout) -> np.ndarray:
    """Points (n, 2) of a layout -> (18, 2) in the order of `JOINT_NAMES`; a neck it lacks is between the shoulders."""
    rows = _by_name(points, layout)
    return np.array([rows[name] for name in JOINT_NAMES])


def to_coco18_if_unambiguous(points: np.ndarray) -> np.ndarray | None:
    """The same where it makes no difference which of several orders it is; None where it does."""
    reading, *others = (to_coco18(points, layout) for layout in LAYOUTS[len(points)])
    return reading if others and all(np.array_equal(reading, other, equal_nan=True) for other in others) else None


def _by_name(points: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    rows = dict(zip(layout, points, strict=False))
    return {"neck": (rows["right shoulder"] + rows["left shoulder"]) / 2, **rows}


def _misfit(points: np.ndarray, layout: Layout) -> float:
    """By how much the bones miss an adult's lengths, summed in statures."""
    bones = _bones({name: row for name, row in _by_name(points, layout).items() if not np.isnan(row).any()})
    arms = [bone for name, bone in bones.items() if name in _ARMS]
    statures = [length / adult for length, adult in (arms if len(arms) > 1 else bones.values())]
    stature = float(np.quantile(statures, 0.75)) if statures else 0.0  # not the median: many bones are foreshortened
    if stature == 0:
        return 0.0
    return sum(min(abs(length / stature - adult), MOST_OF_A_BONE) for length, adult in bones.values())


def _bones(points: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """(length, adult's length in statures) from each point to the next one that is there on the way to the neck."""
    bones = {}
    for name in points.keys() & ADULT.keys():
        end, adult = ADULT[name]
        while end not in points and end in ADULT:
            end, further = ADULT[end]
            adult += further
        if end in points:
            bones[name] = float(np.linalg.norm(points[name] - points[end])), adult
    return bones
