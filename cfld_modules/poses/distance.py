"""Distance between two poses, wherever they stand and however large they are."""

import numpy as np

from .framing import Fit, frame_pose
from .keypoints import Pose

LEAST_IN_COMMON = 6  # joints; of fewer, nobody can say


def pose_distance(first: Pose, second: Pose, fit: Fit) -> float:
    """Mean distance of the joints that both show, with the one pose moved onto the other, as a share of the frame.

    0 where they have too few joints in common to compare.
    """
    points = [frame.points / frame.height for frame in (frame_pose(first, fit), frame_pose(second, fit))]
    in_both = ~np.isnan(points[0] + points[1]).any(axis=1)
    if in_both.sum() < LEAST_IN_COMMON:
        return 0.0
    shifts = points[0][in_both] - points[1][in_both]
    return float(np.linalg.norm(shifts - shifts.mean(axis=0), axis=1).mean())
