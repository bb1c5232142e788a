"""The pack's own class of body key points, and how it is written as ComfyUI's POSE_KEYPOINT.

How other tools write theirs, and how it is read, is in `dialects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

JOINT_NAMES = (
    "nose", "neck",
    "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
"""The 18 points in OpenPose COCO order. Right is the person's right: at smaller x in a front view."""

NOSE, NECK, SHOULDERS, HIPS, ANKLES, FACE = 0, 1, [2, 5], [8, 11], [10, 13], [0, 14, 15, 16, 17]

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""The 17 bones as index pairs, in the order in which they are drawn (docs/method.md, section 6)."""

MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""Left and right swapped: joint ``i`` of a mirrored person is joint ``MIRROR[i]`` of the person."""

KEYPOINTS_3D = "pose_keypoints_3d"
"""What a person's third dimension is called on the wire; `keypoints_3d` says what it holds."""

_FACE_NUMBERS, _HAND_NUMBERS = 70 * 3, 21 * 3


@dataclass(frozen=True, eq=False)
class Pose:
    """One person on a canvas.

    points: (18, 2) float64, (x, y) in canvas pixels, OpenPose COCO order; (NaN, NaN) where missing. May lie outside.
    width, height: the canvas in pixels, at least 1.
    keypoints_3d: (18, 3) float64, the joints in metres from the mid hip, x to the right of the picture, y down, z away
        from the viewer; NaN where missing. None where only the picture is known.
    person_id: the number by which a tracker knows the person from frame to frame, at least 0.
    """

    points: np.ndarray
    width: int
    height: int
    keypoints_3d: np.ndarray | None = None
    person_id: int | None = None

    @property
    def visible(self) -> np.ndarray:
        """(18,) bool: which points are there."""
        return ~np.isnan(self.points).any(axis=1)


def centre(points: np.ndarray) -> np.ndarray:
    """Mean of those of points (n, d) that are there, NaN where none is."""
    known_points = points[~np.isnan(points).any(axis=1)]
    return known_points.mean(axis=0) if len(known_points) else np.full(points.shape[1], np.nan)


def write_pose_keypoints(poses: Sequence[Pose]) -> list[dict]:
    """Poses -> POSE_KEYPOINT, one frame of one person each: pixels, confidence 1, or 0, 0, 0 where missing.

    `pose_keypoints_3d` and `person_id` are written where they are known. Face and hands are arrays of zeros:
    controlnet_aux and core's drawing node read them, the latter at full length. Reading it back gives the same points,
    unless none is visible, all lie within a few pixels of the corner or most outside the canvas (see `dialects`).
    """
    return [write_frame([pose], pose.width, pose.height) for pose in poses]


def write_frame(people: Sequence[Pose], width: int, height: int) -> dict:
    """One frame with several people, or nobody, of a picture of `width` x `height`."""
    return {"people": [write_person(pose) for pose in people], "canvas_width": width, "canvas_height": height}


def write_person(pose: Pose) -> dict:
    """One of the people of a frame."""
    person: dict = {
        "pose_keypoints_2d": _rows(pose.points),
        "face_keypoints_2d": [0.0] * _FACE_NUMBERS,
        "hand_left_keypoints_2d": [0.0] * _HAND_NUMBERS,
        "hand_right_keypoints_2d": [0.0] * _HAND_NUMBERS,
    }
    if pose.keypoints_3d is not None:
        person[KEYPOINTS_3D] = _rows(pose.keypoints_3d)
    if pose.person_id is not None:
        person["person_id"] = [pose.person_id]  # a list, as OpenPose has it
    return person


def _rows(points: np.ndarray) -> list[float]:
    """(n, d) -> d coordinates and a confidence a point, one after another; zeros where missing."""
    is_there = ~np.isnan(points).any(axis=1, keepdims=True)
    return np.hstack([np.where(is_there, points, 0.0), is_there]).ravel().tolist()
