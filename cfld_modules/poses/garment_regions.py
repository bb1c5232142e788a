"""Regions of clothing in a target pose: where head, upper and lower body will be, before there is a picture.

A region is made of parts of the body, each the convex hull of some key points and as much around it as a body of the
skeleton's size has. What is around it was fitted to the silhouettes of drawn people.
"""

from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from ..errors import PoseError
from .framing import FRAME_HEIGHT, FRAME_WIDTH
from .keypoints import Pose

Region = Literal["upper body", "lower body", "head", "whole figure"]
REGIONS: tuple[str, ...] = get_args(Region)

# (key points, what is around their hull as a share of the torso's length) of each part.
Parts = tuple[tuple[tuple[int, ...], float], ...]
CROWN = 18  # beside the skeleton's own: the middle of the head, see `_crown`
HEAD: Parts = (((CROWN,), 0.22), ((CROWN, 0, 14, 15, 16, 17), 0.10), ((1, CROWN), 0.12))
UPPER_BODY: Parts = (
    ((1, 2, 5, 8, 11), 0.14), ((2, 3), 0.12), ((3, 4), 0.12), ((5, 6), 0.12), ((6, 7), 0.12), ((4,), 0.14),
    ((7,), 0.14),
)  # fmt: skip
LOWER_BODY: Parts = (
    ((8, 11, 9, 12), 0.20), ((8, 9), 0.18), ((9, 10), 0.13), ((11, 12), 0.18), ((12, 13), 0.13), ((10,), 0.16),
    ((13,), 0.16),
)  # fmt: skip
PARTS: dict[str, Parts] = {
    "upper body": UPPER_BODY, "lower body": LOWER_BODY, "head": HEAD, "whole figure": HEAD + UPPER_BODY + LOWER_BODY,
}  # fmt: skip

NECK_TO_CROWN = 0.46  # of the torso's length
# How long a bone is as a share of the torso, from neck to mid hip; foreshortening only makes it shorter.
BONE_LENGTHS = {
    (2, 3): 0.56, (3, 4): 0.48, (5, 6): 0.56, (6, 7): 0.48, (8, 9): 0.80, (9, 10): 0.80, (11, 12): 0.80,
    (12, 13): 0.80, (1, 0): 0.40, (1, 8): 1.02, (1, 11): 1.02,
}  # fmt: skip


def region_mask(pose: Pose, region: Region, width: int, height: int, grow: int = 0, feather: int = 0) -> np.ndarray:
    """Where a region of the figure is: float32 (height, width) in [0, 1].

    Args:
        pose: on its frame (see `framing`), which becomes the whole mask, squashed as the picture that is sampled.
        width, height: of the mask in pixels.
        grow: pixels by which the region is larger on all sides; smaller where negative.
        feather: standard deviation in pixels of the soft edge; 0 for a hard one.

    Raises PoseError when no key point of the region is visible.
    """
    scale = max(width / FRAME_WIDTH, height / FRAME_HEIGHT)
    canvas = np.array([round(FRAME_WIDTH * scale), round(FRAME_HEIGHT * scale)])
    points = pose.points * canvas / (pose.width, pose.height)
    # A stray joint lies further beyond the canvas than it is large; no body is as long.
    is_near = ((points >= -canvas) & (points <= 2 * canvas)).all(axis=1)
    torso = torso_length(np.where(is_near[:, None], points, np.nan))
    points = np.vstack([points, _crown(points, torso)])
    drawing = np.zeros(canvas[::-1], bool)
    for joints, around in PARTS[region]:
        _mark(drawing, points[list(joints)], around * torso)
    if not drawing.any():
        raise PoseError(f"no key point of the {region} lies in the picture")
    squashed = Image.fromarray(drawing.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BOX)
    mask = np.asarray(squashed, np.float32) / 255
    if grow:
        inside = mask >= 0.5
        beyond_edge = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
        grown_mask = np.clip(grow + 0.5 - beyond_edge, 0, 1).astype(np.float32)
        mask = np.maximum(mask, grown_mask) if grow > 0 else np.minimum(mask, grown_mask)
    return ndimage.gaussian_filter(mask, feather, mode="nearest") if feather else mask


def torso_length(points: np.ndarray) -> float:
    """Pixels from neck to mid hip seen from the front, as the longest bone tells; 0 where no bone is visible."""
    lengths = [np.linalg.norm(points[end] - points[start]) / share for (start, end), share in BONE_LENGTHS.items()]
    return float(np.nanmax([0.0, *lengths]))


def _crown(points: np.ndarray, torso: float) -> np.ndarray:
    """(x, y) of the middle of the head, which from behind has no key point: on from the spine; NaN without a neck."""
    spine = points[1] - points[[8, 11]].mean(axis=0)
    direction = np.array([0.0, -1.0]) if np.isnan(spine).any() else spine / max(float(np.linalg.norm(spine)), 1.0)
    return points[1] + direction * torso * NECK_TO_CROWN


def _mark(drawing: np.ndarray, points: np.ndarray, around: float) -> None:
    """Mark the hull of the visible points and what is around it, as far as that is in the drawing (height, width)."""
    canvas = np.array(drawing.shape[::-1])
    corners = np.rint(points[~np.isnan(points).any(axis=1)])
    if not len(corners):
        return
    margin = round(around) + 1
    low = (corners.min(axis=0) - margin).clip(-margin, canvas).astype(int)
    high = (corners.max(axis=0) + margin + 1).clip(0, canvas + margin).astype(int)
    if (low >= high).any():
        return
    try:
        corners = corners[ConvexHull(corners).vertices]
    except QhullError:  # fewer than three, or all on one line
        pass
    hull = Image.new("1", tuple((high - low).tolist()))
    outline = [tuple(corner) for corner in np.clip(corners - low, -(2**15), 2**15).tolist()]
    ImageDraw.Draw(hull).polygon([*outline, outline[0]], fill=1, outline=1)
    outside = ~np.asarray(hull)
    if outside.all():
        return
    is_near = ndimage.distance_transform_edt(outside) <= around
    (left, top), (right, bottom) = low.clip(0), high.clip(None, canvas)
    is_near = is_near[top - low[1] : bottom - low[1], left - low[0] : right - low[0]]
    drawing[top:bottom, left:right] |= is_near
