"""Drawings of poses against OpenCV's, the reference where it is installed; the pack itself does not need it."""

import sys
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest

from cfld_modules.poses import fixed_point, pose_drawing, pose_maps, rasterization
from cfld_modules.poses.keypoints import Pose

FRAMES = [(17, 17), (64, 40), (40, 64), (256, 256), (512, 300)]


def random_pose(random: np.random.Generator, width: int, height: int) -> Pose:
    """Points in and far outside of the picture, some missing, some bones of no or one pixel's length."""
    spread = random.choice([0.0, 0.1, 1.0, 30.0])
    points = random.uniform(-spread, 1 + spread, (18, 2)) * (width, height)
    points[random.random(18) < 0.15] = np.nan
    points[random.random(18) < 0.1] = points[0] + random.integers(-1, 2)
    return Pose(points, width, height)


def drawn(pose: Pose, style: str) -> np.ndarray:
    return pose_drawing.draw_pose_in_style(pose, pose.width, pose.height, style)


def drawn_by_opencv(pose: Pose, style: str) -> np.ndarray:
    cv2 = pytest.importorskip("cv2")

    def ellipse(canvas: np.ndarray, centre: tuple, axes: tuple, degrees: int, colour: tuple) -> None:
        cv2.fillConvexPoly(canvas, cv2.ellipse2Poly(centre, axes, degrees, 0, 360, 1), colour)

    with (
        patch.object(pose_maps, "draw_line", lambda *line: cv2.line(*line, cv2.LINE_AA)),
        patch.object(pose_maps, "draw_disc", lambda *disc: cv2.circle(*disc, -1, cv2.LINE_AA)),
        patch.object(pose_drawing, "draw_hard_disc", lambda *disc: cv2.circle(*disc, -1)),
        patch.object(pose_drawing, "draw_hard_ellipse", ellipse),
    ):
        return drawn(pose, style)


@pytest.mark.parametrize("style", pose_drawing.STYLES)
@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_every_pose_is_drawn_as_opencv_draws_it(style: str, width: int, height: int) -> None:
    random = np.random.default_rng(width)
    for _ in range(40):
        pose = random_pose(random, width, height)
        assert np.array_equal(drawn(pose, style), drawn_by_opencv(pose, style)), pose


@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_a_pose_moved_by_whole_pixels_is_the_same_drawing_moved(style: str) -> None:
    points = np.random.default_rng(0).integers(20, 80, (18, 2)).astype(float)
    here, there = (drawn(Pose(points + move, 128, 128), style) for move in ((0, 0), (27, 13)))
    assert here.any() and np.array_equal(np.roll(here, (13, 27), (0, 1)), there)


@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_joints_all_in_one_place_are_one_disc(style: str) -> None:
    alone = np.full((18, 2), np.nan)
    alone[17] = 30.0
    together, single = (drawn(Pose(points, 64, 64), style) for points in (np.full((18, 2), 30.0), alone))
    assert np.array_equal(together[30, 30], single[30, 30]) and single.any()
    together[24:37, 24:37] = 0
    assert not together.any()


def pose_with_a_joint_at(place: float) -> Pose:
    points = np.full((18, 2), 30.0)
    points[3] = place, -place
    return Pose(points, 64, 64)


def work(pose: Pose, style: str) -> tuple[int, int]:
    """Lines of Python run in the rasterization, and bytes taken at once."""
    files, lines = {fixed_point.__file__, rasterization.__file__}, 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return trace if frame.f_code.co_filename in files else None

    tracemalloc.start()
    tracing = sys.gettrace()
    sys.settrace(trace)
    try:
        drawn(pose, style)
    finally:
        sys.settrace(tracing)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return lines, peak


@pytest.mark.parametrize("far", [1e6, 1e9, 1e12, -1e12, 1e20])
@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_points_however_far_away_are_drawn_with_the_same_work(far: float, style: str) -> None:
    drawn(pose_with_a_joint_at(30), style)
    (lines, peak), (lines_near, peak_near) = (work(pose_with_a_joint_at(place), style) for place in (far, 200))
    assert lines < 1.5 * lines_near and peak < 1.5 * peak_near
    assert drawn(pose_with_a_joint_at(far), style).any()
    assert pose_maps.gaussian_maps(pose_with_a_joint_at(far), 64, 64)[3].max() == 0
