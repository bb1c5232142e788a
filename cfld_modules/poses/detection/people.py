"""What every detector gives: the people of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..keypoints import Pose, write_pose_keypoints
from ..metres import KEY, write_metres


@dataclass(frozen=True, eq=False)
class DetectedPerson:
    """Somebody in a picture.

    pose: key points in pixels of the picture, on a canvas of its size.
    metres: (18, 3) float64, the same points in space, where the detector knows: x to the picture's right, y down, z
        away from the viewer, from the middle of the hips; (NaN, NaN, NaN) where missing.
    mask: float32 (H, W) of the picture's size, 1 where the person is, where the detector knows.
    """

    pose: Pose
    metres: np.ndarray | None = None
    mask: np.ndarray | None = None


def people_frame(people: Sequence[DetectedPerson], width: int, height: int) -> dict:
    """One POSE_KEYPOINT frame with all the people of a picture of `width` x `height`; the list may be empty.

    A person whose points are known in space has them under `pose_keypoints_3d`, see `metres`.
    """
    written = []
    for person in people:
        (frame,) = write_pose_keypoints([person.pose])
        (entry,) = frame["people"]
        if person.metres is not None:
            entry[KEY] = write_metres(person.metres)
        written.append(entry)
    return {"people": written, "canvas_width": width, "canvas_height": height}


def people_mask(people: Sequence[DetectedPerson], width: int, height: int) -> np.ndarray:
    """float32 (height, width): where any of the people is; 0 everywhere where the detector gives no masks."""
    masks = [person.mask for person in people if person.mask is not None]
    return np.maximum.reduce([np.zeros((height, width), np.float32), *masks])
