"""A turned pose: 0 is the pose, 360 comes back, right stays right, what faces away is missing, the floor stays."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfld_modules.demo_people import KEY_POINTS_3D
from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import MIRROR, Pose, write_pose_keypoints
from cfld_modules.poses.lifting import SpatialPose, lift
from cfld_modules.poses.reading import read_pose_keypoints
from cfld_modules.poses.turning import turn, turntable
from cfld_modules.poses.visibility import hidden_joints
from cfld_modules.training.skeletons import place_joints, random_angles, random_proportions, rotation
from tests.bundled_people import held_out_pairs
from tests.keypoint_files import mirror

POSES = Path(__file__).parent.parent / "web" / "poses"
FACE = [0, 14, 15, 16, 17]
HEIGHT = 300  # of a person in pixels


def bundled(name: str) -> Pose:
    (pose,) = read_pose_keypoints(json.loads((POSES / f"{name}.json").read_text()))
    return pose


def standing(yaw: float = 0.0, seed: int = 6) -> SpatialPose:
    """Somebody in space, in the middle of a canvas; 90 looks to the picture's left edge."""
    random = np.random.default_rng(seed)
    (space,) = place_joints(random_angles(1, random), random_proportions(1, random))
    return SpatialPose(space @ rotation(np.radians([yaw]), 0, 2)[0].T * HEIGHT + (176, 256, 0), 352, 512)


def seen(space: SpatialPose) -> Pose:
    return Pose(np.where(hidden_joints(space.points)[:, None], np.nan, space.points[:, :2]), space.width, space.height)


def in_metres(space: SpatialPose) -> np.ndarray:
    return (space.points - space.points[[8, 11]].mean(axis=0)) * 1.7 / HEIGHT


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    """Anything from one point to 18, anywhere."""
    there = draw(st.lists(st.booleans(), min_size=18, max_size=18).filter(any))
    points = np.array(draw(st.lists(st.floats(-100, 600), min_size=36, max_size=36))).reshape(18, 2)
    points[~np.array(there)] = np.nan
    return Pose(points, 352, 512)


# --- Lifting ----------------------------------------------------------------------------------------------------------


@given(poses())
@settings(max_examples=50)
def test_lifting_keeps_what_the_picture_shows(pose: Pose) -> None:
    points = lift(pose).points
    np.testing.assert_array_equal(points[pose.visible, :2], pose.points[pose.visible])
    assert np.isfinite(points[pose.visible]).all()


@given(poses(), st.floats(0.1, 20), st.floats(-500, 500))
@settings(max_examples=50)
def test_lifting_does_not_care_where_and_how_large(pose: Pose, size: float, place: float) -> None:
    moved = Pose(pose.points * size + place, 352, 512)
    depth, moved_depth = lift(pose).points[pose.visible, 2], lift(moved).points[pose.visible, 2]
    np.testing.assert_allclose(moved_depth, depth * size, rtol=0, atol=1e-2 * size + 1e-2)


@pytest.mark.parametrize("yaw", range(0, 360, 45))
def test_the_lifter_finds_the_depth_of_somebody_it_was_not_trained_on(yaw: int) -> None:
    errors, flat = [], []
    for seed in range(10**9, 10**9 + 200):
        space = standing(yaw, seed)
        pose = seen(space)
        depth = space.points[pose.visible, 2] - space.points[pose.visible, 2].mean()
        errors.append(np.abs(lift(pose).points[pose.visible, 2] - depth).mean() / HEIGHT)
        flat.append(np.abs(depth).mean() / HEIGHT)
    assert np.mean(errors) < 0.03 and np.mean(errors) < (0.9 if yaw % 180 == 0 else 0.5) * np.mean(flat)


def test_what_the_body_hides_comes_back_and_what_is_out_of_the_picture_does_not() -> None:
    pose = seen(standing(90))
    assert not pose.visible[[3, 14, 16]].any(), "a profile hides the far arm and half of the face"
    known = ~np.isnan(lift(pose).points).any(axis=1)
    assert known[[3, 14, 16]].all()
    portrait = pose.points.copy()
    portrait[[9, 10, 12, 13]] = np.nan
    assert not (~np.isnan(lift(Pose(portrait, 352, 512)).points).any(axis=1))[[9, 10, 12, 13]].any()
    headless = pose.points.copy()
    headless[FACE] = np.nan
    shifted = Pose(headless - (0, np.nanmin(headless[:, 1])), 352, 512)  # the neck touches the upper edge
    assert np.isnan(lift(shifted).points[FACE]).all()
    assert np.isfinite(lift(Pose(headless, 352, 512)).points[FACE]).all()


# --- Turning ----------------------------------------------------------------------------------------------------------


@given(poses())
@settings(max_examples=50)
def test_no_turn_is_the_pose_bit_for_bit(pose: Pose) -> None:
    for angle in (0.0, 360.0):
        (same,) = turntable(pose, angle, 0, 1)
        assert write_pose_keypoints([same]) == write_pose_keypoints([pose])


@given(poses(), st.floats(0, 360), st.floats(-90, 90))
@settings(max_examples=100)
def test_any_pose_turned_stays_visible_and_finite(pose: Pose, angle: float, tilt: float) -> None:
    turned = turn(lift(pose), angle, tilt)
    assert (turned.width, turned.height) == (pose.width, pose.height)
    assert turned.visible.any()
    assert np.isfinite(turned.points[turned.visible]).all()


def test_a_turntable_begins_at_the_angle_and_goes_around() -> None:
    pose = bundled("waving")
    frames = turntable(pose, 300, 0, 4)
    expected = [turntable(pose, angle, 0, 1)[0] for angle in (300, 30, 120, 210)]
    assert write_pose_keypoints(frames) == write_pose_keypoints(expected)
    assert write_pose_keypoints(turntable(pose, 270, 0, 4)[1:2]) == write_pose_keypoints([pose])


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_turning_is_what_the_person_s_own_turn_does(angle: int) -> None:
    turned, truth = turn(standing(20), angle, 0), standing(20 + angle)
    off = turned.points - truth.points[:, :2]
    np.testing.assert_allclose(off[turned.visible, 1], 0, atol=1e-6)
    np.testing.assert_allclose(off[turned.visible, 0], np.nanmean(off[:, 0]), atol=1e-6)
    assert (turned.visible == ~hidden_joints(truth.points)).all()


def test_right_stays_the_persons_right() -> None:
    front, (back,) = bundled("a_pose"), turntable(bundled("a_pose"), 180, 0, 1)
    for right, left in ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13)):
        assert front.points[right, 0] < front.points[left, 0]
        assert back.points[right, 0] > back.points[left, 0]
    assert not back.visible[[0, 14, 15]].any() and back.visible[[16, 17]].all()


@pytest.mark.parametrize(("angle", "facing"), [(90, -1), (270, 1)])
def test_turning_by_a_quarter_goes_clockwise_seen_from_above(angle: int, facing: int) -> None:
    (profile,) = turntable(bundled("a_pose"), angle, 0, 1)
    near, far = ([15, 17], [14, 16]) if facing < 0 else ([14, 16], [15, 17])
    assert (profile.points[0, 0] - profile.points[1, 0]) * facing > 5
    assert profile.visible[near].all() and not profile.visible[far].any()


@pytest.mark.parametrize("tilt", [-40, 0, 25, 60])
def test_the_floor_and_the_size_stay(tilt: int) -> None:
    space = standing()
    turned = turn(space, 120, tilt)
    assert np.nanmax(turned.points[8:14, 1]) == pytest.approx(np.nanmax(space.points[8:14, 1]))
    lengths = np.ptp(turned.points[turned.visible, 1]) / np.ptp(space.points[:, 1])
    assert lengths < 1.01 if tilt == 0 else lengths < 1
    portrait = space.points.copy()
    portrait[[9, 10, 12, 13]] = np.nan
    hips = turn(SpatialPose(portrait, 352, 512), 120, tilt).points[[8, 11], 1].mean()
    assert hips == pytest.approx(space.points[[8, 11], 1].mean())


def test_from_above_the_nose_is_lower_on_the_head() -> None:
    space = standing()
    down = [turn(space, 0, tilt).points[0, 1] - turn(space, 0, tilt).points[[16, 17], 1].mean() for tilt in (-20, 20)]
    assert down[0] < down[1]


@given(st.floats(1, 359))
@settings(max_examples=20)
def test_does_not_care_which_side_is_which(angle: float) -> None:
    space = standing()
    mirrored = space.points[list(MIRROR)] * (-1, 1, 1) + (351, 0, 0)
    expected = mirror(turn(space, angle, 10)).points
    np.testing.assert_allclose(turn(SpatialPose(mirrored, 352, 512), 360 - angle, 10).points, expected, atol=1e-6)


# --- What a detector would not see ------------------------------------------------------------------------------------


def test_hides_what_the_bodies_of_the_bundled_people_hide() -> None:
    spaces = json.loads(KEY_POINTS_3D.read_text())
    agreeing = [
        hidden_joints(np.array(spaces[photograph.name])) == ~photograph.pose().visible
        for photograph in held_out_pairs().photographs
    ]
    share = np.mean(agreeing, axis=0)[[0, 14, 15, 3, 4, 6, 7]]
    assert len(agreeing) == 96 and share.min() > 0.8 and share.mean() > 0.9


def test_what_is_not_known_is_not_hidden() -> None:
    assert not hidden_joints(np.full((18, 3), np.nan)).any()


# --- Metres -----------------------------------------------------------------------------------------------------------


def with_metres(pose: Pose, metres: np.ndarray) -> dict:
    (frame,) = write_pose_keypoints([pose])
    rows = np.hstack([np.nan_to_num(metres), ~np.isnan(metres).any(axis=1, keepdims=True)])
    frame["people"][0]["pose_keypoints_3d"] = rows.ravel().tolist()
    return frame


@pytest.mark.parametrize("yaw", [10, 100, 200])
def test_metres_are_used_where_there_are_any(yaw: int) -> None:
    space = standing(yaw)
    pose = seen(space)
    value = with_metres(pose, in_metres(space))
    (turned,) = turntable(read_pose_keypoints(value)[0], 75, 0, 1)
    truth = turn(space, 75, 0)
    assert (turned.visible == truth.visible).all()
    np.testing.assert_allclose(turned.points - turned.points[1], truth.points - truth.points[1], atol=1e-6)


def test_joints_without_metres_are_lifted() -> None:
    space = standing(10)
    known = in_metres(space)
    known[[4, 10]] = np.nan
    lifted, points = (lift(replace(seen(space), keypoints_3d=one)).points for one in (None, known))
    off = points[:, 2] - space.points[:, 2]
    np.testing.assert_allclose(np.delete(off, [4, 10]), off[1], atol=1e-6)
    np.testing.assert_array_equal(points[[4, 10]], lifted[[4, 10]])
    both = seen(space).visible & ~np.isnan(known).any(axis=1)
    assert points[both, 2].mean() == pytest.approx(lifted[both, 2].mean())


def test_of_several_people_the_one_who_is_taken() -> None:
    space = standing()
    small, large = seen(standing(90)), seen(space)
    frame = with_metres(large, in_metres(space))
    frame["people"].insert(0, with_metres(Pose(small.points / 4, 352, 512), in_metres(standing(90)))["people"][0])
    frame["people"].insert(0, {"pose_keypoints_2d": None, "pose_keypoints_3d": [0] * 72})
    for value in ([frame], {"dance": frame}, {"frames": [frame]}, [[frame]], json.dumps({"1": frame})):
        (pose,) = read_pose_keypoints(value)
        np.testing.assert_allclose(pose.keypoints_3d, in_metres(space))
    assert read_pose_keypoints(write_pose_keypoints([pose]))[0].keypoints_3d is not None
    assert read_pose_keypoints(write_pose_keypoints([large]))[0].keypoints_3d is None


def test_the_third_dimension_in_the_order_of_openpose_s_25_points() -> None:
    """CMU's OpenPose writes as many points in space as in the picture, and an empty list where it has one camera."""
    space = standing()
    pose, known = seen(space), in_metres(space)
    order = [*range(8), None, *range(8, 14), 14, 15, 16, 17]
    body, third = [], []
    for joint in order:
        row = pose.points[[8, 11]].mean(axis=0) if joint is None else pose.points[joint]
        body += [0.0, 0.0, 0.0] if np.isnan(row).any() else [*row, 1.0]
        third += [0.0, 0.0, 0.0, 1.0] if joint is None else [*known[joint], 1.0]
    body, third = body + [0.0] * 18, third + [0.0] * 24
    person = {"pose_keypoints_2d": body, "pose_keypoints_3d": third, "hand_left_keypoints_3d": []}
    (read,) = read_pose_keypoints([{"people": [person], "canvas_width": 352, "canvas_height": 512}])
    np.testing.assert_allclose(read.keypoints_3d, known)


@pytest.mark.parametrize("values", [[1, 2, 3], "metres", [[0.1] * 4] * 17, ["a"] * 72, [float("inf")] * 72])
def test_metres_that_are_none_are_named(values: object) -> None:
    (frame,) = write_pose_keypoints([bundled("a_pose")])
    frame["people"][0]["pose_keypoints_3d"] = values
    with pytest.raises(PoseError, match=r"frame 1, person 1, pose_keypoints_3d: must be a list of 72 numbers"):
        read_pose_keypoints([frame])


@pytest.mark.parametrize("wrong", [(1, -1, 1), (-1, 1, 1), (0, 0, 0)], ids=["y up", "x to the left", "one place"])
def test_metres_that_lie_elsewhere_than_the_points_are_refused(wrong: tuple) -> None:
    space = standing()
    frame = with_metres(seen(space), in_metres(space) * wrong)
    with pytest.raises(PoseError, match="person 1, pose_keypoints_3d: does not lie over pose_keypoints_2d"):
        read_pose_keypoints([frame])


def test_a_single_joint_in_metres_settles_nothing() -> None:
    pose, known = bundled("a_pose"), np.full((18, 3), np.nan)
    known[4] = 0.1
    np.testing.assert_array_equal(lift(replace(pose, keypoints_3d=known)).points, lift(pose).points)
