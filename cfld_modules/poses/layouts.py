"""Layouts: the orders in which tools list a body's points, and how to tell the order of a list that has no names.

A list that is not named is in one of the orders that tools of so many points use. The bones tell which: in statures of
the person they are as long as an adult's or, foreshortened, shorter; in the wrong order some go from the head to the
feet. Where two orders fit alike nobody knows, and guessing would make an ankle an eye.
"""

from collections.abc import Mapping
from functools import cache, lru_cache

import numpy as np

from .keypoints import JOINT_NAMES, NECK, SHOULDERS

Layout = tuple[str, ...]
"""Names of points in the order of a list; points without a name, and those after the last one, are of no use here."""

_PAIRS = ("eyes", "ears", "shoulders", "elbows", "wrists", "hips", "knees", "ankles", "toes", "heels")
_LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}


def _layout(words: str) -> Layout:
    """Of words: `hips` are the left and the right hip, `left-arm` shoulder, elbow and wrist, `-` a nameless point."""
    names: list[str] = []
    for word in words.split():
        side, _, limb = word.partition("-")
        if word in _PAIRS:
            names += [f"left {word[:-1]}", f"right {word[:-1]}"]
        elif limb in _LIMBS:
            names += [f"{side} {joint}" for joint in _LIMBS[limb]]
        else:
            names.append(word.replace("-", " ").strip())
    return tuple(names)


_COCO = "nose eyes ears shoulders elbows wrists hips knees ankles"
_BODY = "right-arm left-arm right-leg left-leg"
_FACE = "right-eye left-eye right-ear left-ear"
_FEET = "left-toe left-toe left-heel right-toe right-toe right-heel"

COCO_18: Layout = JOINT_NAMES
TOES = _layout(f"nose neck {_BODY} {_FACE} right-toe left-toe")
BODY_25 = _layout(f"nose neck right-arm left-arm mid-hip right-leg left-leg {_FACE} {_FEET}")
BODY_25B = _layout(f"{_COCO} - head {_FEET}")
COCO_17 = _layout(_COCO)
NECK_LAST = _layout(f"{_COCO} neck")
NECK_FIRST = _layout(f"neck {_COCO}")
HALPE = _layout(f"{_COCO} head neck mid-hip toes toes heels")
WHOLE_BODY = _layout(f"{_COCO} {_FEET}")
BLAZEPOSE = _layout(
    "nose - left-eye - - right-eye - ears - - shoulders elbows wrists - - - - - - hips knees ankles heels toes"
)
GOLIATH = _layout(
    f"nose eyes ears shoulders elbows hips knees ankles {_FEET} {'- ' * 20} right-wrist {'- ' * 20} left-wrist "
    f"{'- ' * 6} neck"
)
H36M = _layout("mid-hip right-leg left-leg spine neck nose head left-arm right-arm")
MPI_INF_3DHP = _layout(f"head neck {_BODY} mid-hip spine nose")
POSETRACK = _layout("nose head-bottom head ears shoulders elbows wrists hips knees ankles")
CROWDPOSE = _layout("shoulders elbows wrists hips knees ankles head neck")
AI_CHALLENGER = _layout(f"{_BODY} head neck")
_FROM_ANKLE = "right-ankle right-knee right-hip left-hip left-knee left-ankle"
_FROM_WRIST = "right-wrist right-elbow right-shoulder left-shoulder left-elbow left-wrist"
LSP = _layout(f"{_FROM_ANKLE} {_FROM_WRIST} neck head")
MPII = _layout(f"{_FROM_ANKLE} mid-hip neck head-bottom head {_FROM_WRIST}")
OPENPOSE_MPI = _layout(f"head neck {_BODY} spine")
JHMDB = _layout(
    "neck spine head right-shoulder left-shoulder right-hip left-hip right-elbow left-elbow right-knee left-knee "
    "right-wrist left-wrist right-ankle left-ankle"
)
PANOPTIC = _layout("neck nose mid-hip left-arm left-leg right-arm right-leg left-eye left-ear right-eye right-ear")
SMPL = _layout("mid-hip hips - knees spine ankles - toes neck - - head shoulders elbows wrists - -")
KINECT = _layout("mid-hip spine - head left-arm - right-arm - left-leg left-toe right-leg right-toe neck - - - -")

LAYOUTS: dict[int, tuple[Layout, ...]] = {
    14: (CROWDPOSE, AI_CHALLENGER, LSP),
    15: (OPENPOSE_MPI, JHMDB),
    16: (MPII,),
    17: (COCO_17, H36M, MPI_INF_3DHP, POSETRACK),  # COCO, MMPose, YOLO; video pose
    18: (COCO_18, NECK_LAST, NECK_FIRST),  # OpenPose; trt_pose, DWPose before its reordering
    19: (TOES, BODY_25, PANOPTIC),
    20: (TOES, BODY_25),
    23: (WHOLE_BODY,),
    24: (SMPL,),
    25: (TOES, BODY_25, BODY_25B, KINECT),
    26: (HALPE, BODY_25, COCO_18),  # AlphaPose
    27: (COCO_18, NECK_LAST),  # rtmlib: 18 and feet
    33: (BLAZEPOSE,),  # MediaPipe
    60: (COCO_18, NECK_LAST),  # an older editor: with two hands
    70: (GOLIATH,),  # SAM 3D Body
    133: (COCO_17,),  # COCO-WholeBody
    134: (COCO_18, NECK_LAST),  # rtmlib, DWPose: with feet, face and hands
    136: (HALPE,),
    308: (GOLIATH,),  # Sapiens
}
"""The orders a list of so many points may be in."""

DATA_SETS: dict[str, Layout] = {
    "coco": COCO_17, "ochuman": COCO_17, "cocowholebody": COCO_17, "cocowholebodyopenpose": COCO_18,
    "cocoopenpose": COCO_18, "crowdpose": CROWDPOSE, "aic": AI_CHALLENGER, "mpii": MPII, "halpe": HALPE,
    "halpe26": HALPE, "h36m": H36M, "mpiinf3dhp": MPI_INF_3DHP, "posetrack18": POSETRACK, "goliath": GOLIATH,
    "subjhmdb": JHMDB, "panoptic": PANOPTIC,
}  # fmt: skip
"""Orders by the letters and digits of MMPose's `dataset_name`."""

ADULT = {
    "nose": ("neck", 0.12), "right eye": ("nose", 0.04), "left eye": ("nose", 0.04),
    "right ear": ("right eye", 0.06), "left ear": ("left eye", 0.06),
    "right shoulder": ("neck", 0.11), "right elbow": ("right shoulder", 0.17), "right wrist": ("right elbow", 0.15),
    "left shoulder": ("neck", 0.11), "left elbow": ("left shoulder", 0.17), "left wrist": ("left elbow", 0.15),
    "right hip": ("neck", 0.30), "right knee": ("right hip", 0.245), "right ankle": ("right knee", 0.245),
    "left hip": ("neck", 0.30), "left knee": ("left hip", 0.245), "left ankle": ("left knee", 0.245),
    "mid hip": ("right hip", 0.06), "right toe": ("right ankle", 0.07), "left toe": ("left ankle", 0.07),
    "right heel": ("right ankle", 0.05), "left heel": ("left ankle", 0.05),
    "head": ("nose", 0.10), "head bottom": ("neck", 0.04), "spine": ("neck", 0.17),
}  # fmt: skip
"""Each point's bone: the point at its other end, and its length in statures."""

TOO_LONG, TOO_SHORT = 1.0, 0.2
"""How much it tells against an order that a bone is longer or shorter than an adult's: most are foreshortened."""

MOST_OF_A_BONE = 0.4
"""What one bone adds at most: a single joint in a wrong place says little about the order."""

MARGIN, MARGIN_OF_FEW, FEW = 0.12, 0.02, 2
"""By how much an order must fit better than the next, summed over the bones; and by how much one of `USUAL` than one
that differs in the eyes alone, as PoseTrack's from COCO's. Of the bundled poses with a third of the joints left out
none is taken for another order."""

BELIEVABLE, BELIEVABLE_OF_A_BONE, BELIEVABLE_WITHOUT_RIVAL = 0.01, 0.3, 0.05
"""How well an order must fit, in the mean over the bones: 0.01, and 0.3 shared among them, since few fit by chance.
Those poses miss an adult's bones by less, at 17 bones by 0.018; points in no order at all by 0.03 and more."""

SAME_POINT = 0.01
"""How far the same point may be, in pixels or shares of the canvas, where two orders give it."""

MIN_POINTS = 6
"""Of fewer points the bones say nothing."""

USUAL = {17: COCO_17, 18: COCO_18, 25: BODY_25, 26: HALPE, 27: COCO_18, 60: COCO_18, 134: COCO_18}
"""By number of points the order that next to all tools have."""


def layout_of(points: np.ndarray) -> Layout | None:
    """The order that a body's points (n, 2) are in, n a key of `LAYOUTS`; None where the bones do not tell."""
    candidates = LAYOUTS[len(points)]
    if np.isfinite(points).all(axis=1).sum() < MIN_POINTS:
        return candidates[0] if len(candidates) == 1 or len(points) in (17, 18) else None
    readings = [to_coco18(points, layout) for layout in candidates]
    misfits = [_misfit(points, layout, reading) for layout, reading in zip(candidates, readings, strict=True)]
    ranked = sorted(zip(misfits, readings, candidates, strict=True), key=lambda one: one[0][0])
    ((misfit, bones), reading, best), *others = ranked
    is_usual = best == USUAL.get(len(points))
    gaps = [
        ((other_misfit - misfit) * min(bones, other_bones), other) for (other_misfit, other_bones), other, _ in others
    ]
    # No margin is above the largest, so that of most pairs it is not asked for.
    is_clear = all(gap > MARGIN or gap > _margin(is_usual, other, reading) for gap, other in gaps)
    return best if is_clear and misfit < _believable(bones, len(candidates)) else None


def fits(points: np.ndarray, layout: Layout = COCO_18) -> bool:
    """Whether points (n, 2) in an order have a person's bones."""
    misfit, bones = _misfit(points, layout, to_coco18(points, layout))
    return misfit < _believable(bones, len(LAYOUTS.get(len(points), ())))


def _believable(bones: int, candidates: int) -> float:
    return BELIEVABLE_WITHOUT_RIVAL if candidates == 1 else BELIEVABLE + BELIEVABLE_OF_A_BONE / max(bones, 1)


def _margin(is_usual: bool, other: np.ndarray, reading: np.ndarray) -> float:
    """By how much a reading must fit better than another, summed over the bones."""
    is_same = (np.abs(other - reading) <= SAME_POINT) | (np.isnan(other) & np.isnan(reading))
    different_points = int((~is_same).any(axis=1).sum())
    if different_points == 0:
        return -1.0
    return MARGIN_OF_FEW if is_usual and different_points <= FEW else MARGIN


def to_coco18(points: np.ndarray, layout: Layout) -> np.ndarray:
    """Points (n, d) of a layout -> (18, d) in the order of `JOINT_NAMES`; a neck it lacks is between the shoulders."""
    rows = _coco18_rows(layout, len(points))
    joints = np.where((rows < len(points))[:, None], points[np.minimum(rows, len(points) - 1)], np.nan)
    if rows[NECK] == len(points):
        joints[NECK] = joints[SHOULDERS].mean(axis=0)
    return joints


def is_same_in_all_layouts(points: np.ndarray) -> bool:
    """Whether it makes no difference in which of several orders that a list of so many points may be in these are."""
    reading, *others = (to_coco18(points, layout) for layout in LAYOUTS[len(points)])
    return bool(others) and all(np.array_equal(reading, other, equal_nan=True) for other in others)


@cache
def _coco18_rows(layout: Layout, count: int) -> np.ndarray:
    """Where of `count` points each of the 18 is; `count` where it is not among them."""
    return np.array([_places(layout, count).get(name, count) for name in JOINT_NAMES])


@cache
def _places(layout: Layout, count: int) -> Mapping[str, int]:
    """Of a name that is there twice, as a toe's, the last one counts."""
    places = {name: place for place, name in enumerate(layout) if name not in ("", "-")}
    return {name: place for name, place in places.items() if place < count}


def _misfit(points: np.ndarray, layout: Layout, reading: np.ndarray) -> tuple[float, int]:
    """By how much the bones miss an adult's lengths, in the mean over them, at the stature at which they fit best; and
    how many bones there are. reading: the points in CFLD's order."""
    starts, ends, adult = _bones(layout, (~np.isnan(points).any(axis=1)).tobytes())
    ended = np.concatenate([points, reading[NECK : NECK + 1]])
    lengths = np.sqrt(((ended[starts] - ended[ends]) ** 2).sum(axis=1))
    statures = (lengths / adult)[lengths > 0]
    if len(adult) < 2 or 2 * len(statures) < len(adult):
        return MOST_OF_A_BONE, len(adult)
    deviations = (lengths / statures[:, None] - adult) / np.sqrt(adult)  # the short bones tell as much as the long ones
    costs = np.minimum(np.where(deviations > 0, TOO_LONG * deviations, -TOO_SHORT * deviations), MOST_OF_A_BONE)
    return float(costs.mean(axis=1).min()), len(adult)


@lru_cache(maxsize=4096)
def _bones(layout: Layout, there: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of points of which some are there: the bones' ends, and an adult's lengths in statures.

    Each bone goes from a point to the next one that is there on the way to the neck, which between the shoulders is one
    more point.
    """
    places = {name: place for name, place in _places(layout, len(there)).items() if there[place]}
    if "neck" not in _places(layout, len(there)) and {"right shoulder", "left shoulder"} <= places.keys():
        places["neck"] = len(there)
    bones = []
    for name in [name for name in ADULT if name in places]:
        end, adult = ADULT[name]
        while end not in places and end in ADULT:
            end, further = ADULT[end]
            adult += further
        if end in places:
            bones.append((places[name], places[end], adult))
    starts, ends, lengths = np.array(bones).reshape(-1, 3).T
    return starts.astype(int), ends.astype(int), lengths
