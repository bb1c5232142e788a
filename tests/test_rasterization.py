"""Drawings of poses against OpenCV's, the reference where it is installed; the pack itself does not need it."""

import math
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from cfld_modules.poses import fixed_point, pose_drawing, pose_maps, rasterization
from cfld_modules.poses.keypoints import LIMBS, Pose

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
    """As the authors' code and controlnet_aux's call it."""
    cv2 = pytest.importorskip("cv2")
    canvas = np.zeros((pose.height, pose.width, 3), np.uint8)
    thickness = max(1, round(4 * min(pose.width, pose.height) / 512))
    joints = [tuple(joint.tolist()) for joint in pose_maps.joint_pixels(pose, pose.width, pose.height)]
    for (first, second), colour in zip(LIMBS, pose_maps.LIMB_COLOURS.tolist(), strict=True):
        start, end = joints[first], joints[second]
        if not (pose.visible[first] and pose.visible[second]):
            continue
        if style == "cfld":
            cv2.line(canvas, start, end, colour, 2, cv2.LINE_AA)
        else:
            middle, half = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2), int(math.dist(start, end) / 2)
            degrees = int(math.degrees(math.atan2(end[1] - start[1], end[0] - start[0])))
            cv2.fillConvexPoly(canvas, cv2.ellipse2Poly(middle, (half, thickness), degrees, 0, 360, 1), colour)
    for joint, is_there, colour in zip(joints, pose.visible, pose_maps.JOINT_COLOURS.tolist(), strict=True):
        if is_there:
            cv2.circle(canvas, joint, *((3, colour, -1, cv2.LINE_AA) if style == "cfld" else (thickness, colour, -1)))
    return canvas


@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_every_pose_in_cflds_style_is_opencvs_drawing_bit_for_bit(width: int, height: int) -> None:
    random = np.random.default_rng(width)
    for _ in range(100):
        pose = random_pose(random, width, height)
        assert np.array_equal(drawn(pose, "cfld"), drawn_by_opencv(pose, "cfld")), pose


def test_a_pose_at_the_border_of_the_picture_is_opencvs_drawing_bit_for_bit() -> None:
    """Discs and lines that the border cuts are drawn another way than those within."""
    random = np.random.default_rng(0)
    for _ in range(100):
        pose = Pose(random.integers(-7, 8, (18, 2)) % (64, 40), 64, 40)
        assert np.array_equal(drawn(pose, "cfld"), drawn_by_opencv(pose, "cfld")), pose


@pytest.mark.parametrize(("width", "height"), [(256, 256), (352, 512), (704, 1024)])
def test_a_pose_in_openposes_style_is_opencvs_drawing_within_a_pixel(width: int, height: int) -> None:
    random = np.random.default_rng(width)
    for _ in range(20):
        pose = Pose(random.uniform(0.1, 0.9, (18, 2)) * (width, height), width, height)
        ours, theirs = drawn(pose, "openpose"), drawn_by_opencv(pose, "openpose")
        for first, second in ((ours, theirs), (theirs, ours)):
            assert not (first.any(axis=2) & ~binary_dilation(second.any(axis=2), np.ones((3, 3)))).any()
        assert ours.any(axis=2).sum() == pytest.approx(theirs.any(axis=2).sum(), rel=0.08)
        assert (ours == theirs).all(axis=2)[theirs.any(axis=2)].mean() > 0.75


@pytest.mark.parametrize("style", pose_drawing.STYLES)
def test_a_pose_without_limbs_or_without_joints_is_drawn(style: str) -> None:
    nothing, one = np.full((18, 2), np.nan), np.full((18, 2), np.nan)
    one[4] = 20, 30
    assert not drawn(Pose(nothing, 64, 64), style).any()
    assert drawn(Pose(one, 64, 64), style).any()


@pytest.mark.parametrize("size", [64, 256])
def test_gaussians_are_those_of_the_formula_bit_for_bit(size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(10):
        pose = random_pose(random, 176, 256)
        rows, columns = np.arange(size, dtype=float)[:, None], np.arange(size, dtype=float)
        maps = pose_maps.pose_maps([pose], size)[0, 3:].numpy()
        for (x, y), is_there, found in zip(pose_maps.joint_pixels(pose, size, size), pose.visible, maps, strict=True):
            expected = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 72).astype(np.float32)
            assert np.array_equal(found, expected if is_there else np.zeros_like(expected))


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
    files, lines = {module.__file__ for module in (fixed_point, pose_drawing, pose_maps, rasterization)}, 0

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
    assert pose_maps.pose_maps([pose_with_a_joint_at(far)], 64)[0, 6].max() == 0


def test_maps_made_of_drawings_and_joints_are_the_pose_maps_bit_for_bit() -> None:
    """As training makes them on its device."""
    random = np.random.default_rng(3)
    poses = [random_pose(random, 176, 256) for _ in range(8)]
    drawings = np.stack([pose_maps.draw_pose(pose, 256, 256).transpose(2, 0, 1) for pose in poses])
    joints = np.stack([pose_maps.joint_pixels(pose, 256, 256) for pose in poses]).astype(np.int32)
    made = pose_maps.maps_of_drawings(torch.from_numpy(drawings), torch.from_numpy(joints))
    assert torch.equal(made, pose_maps.pose_maps(poses, 256))
