"""Drawings of poses against OpenCV's, the reference; the pack itself does not need it."""

from unittest.mock import patch

import numpy as np
import pytest

from cfld_modules.poses import pose_drawing, pose_maps
from cfld_modules.poses.keypoints import Pose

cv2 = pytest.importorskip("cv2")


def random_pose(random: np.random.Generator, size: int) -> Pose:
    """Points in and far outside of the picture, some missing, some bones of no or one pixel's length."""
    spread = random.choice([0.0, 0.1, 1.0, 30.0])
    points = random.uniform(-spread * size, (1 + spread) * size, (18, 2))
    points[random.random(18) < 0.15] = np.nan
    points[random.random(18) < 0.1] = points[0] + random.integers(-1, 2)
    return Pose(points, size, size)


def opencv_ellipse(canvas: np.ndarray, centre: tuple, axes: tuple, degrees: int, colour: tuple) -> None:
    cv2.fillConvexPoly(canvas, cv2.ellipse2Poly(centre, axes, degrees, 0, 360, 1), colour)


def drawn_by_opencv(pose: Pose, size: int, style: str) -> np.ndarray:
    with (
        patch.object(pose_maps, "draw_line", lambda *line: cv2.line(*line, cv2.LINE_AA)),
        patch.object(pose_maps, "draw_disc", lambda *disc: cv2.circle(*disc, -1, cv2.LINE_AA)),
        patch.object(pose_drawing, "draw_hard_disc", lambda *disc: cv2.circle(*disc, -1)),
        patch.object(pose_drawing, "draw_hard_ellipse", opencv_ellipse),
    ):
        return pose_drawing.draw_pose_in_style(pose, size, size, style)


@pytest.mark.parametrize("style", pose_drawing.STYLES)
@pytest.mark.parametrize("size", [17, 64, 256, 512])
def test_every_pose_is_drawn_as_opencv_draws_it(style: str, size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(40):
        pose = random_pose(random, size)
        drawing = pose_drawing.draw_pose_in_style(pose, size, size, style)
        assert np.array_equal(drawing, drawn_by_opencv(pose, size, style)), pose


@pytest.mark.parametrize("far", [1e6, 1e12, -1e12, 1e20])
@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_points_however_far_away_are_drawn(far: float, style: str) -> None:
    points = np.full((18, 2), 30.0)
    points[3] = far, -far
    pose = Pose(points, 64, 64)
    assert pose_drawing.draw_pose_in_style(pose, 64, 64, style).any()
    assert pose_maps.gaussian_maps(pose, 64, 64)[3].max() == 0
