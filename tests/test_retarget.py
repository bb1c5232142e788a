"""Retargeting to itself is the identity; to another, lengths, widths, head, floor and place are the other's."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfld_modules.poses.keypoints import LIMBS, MIRROR, Pose
from cfld_modules.poses.keypoints_3d import in_metres, laid_over_picture
from cfld_modules.poses.lifting import SpatialPose
from cfld_modules.poses.retarget import retarget, retarget_motion
from cfld_modules.training.skeletons import place_joints, random_angles, random_proportions
from tests.keypoint_files import mirror

ARMS_AND_LEGS = [(2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13)]
HEAD = [0, 14, 15, 16, 17]

# A standing adult, (x, y), feet on y = 470.
STANDING = np.array(
    [
        (176, 78), (176, 118),
        (138, 120), (128, 184), (122, 244), (214, 120), (224, 184), (230, 244),
        (152, 250), (150, 358), (148, 464), (200, 250), (202, 358), (204, 470),
        (168, 68), (184, 68), (156, 74), (196, 74),
    ],
    dtype=float,
)  # fmt: skip


def length(pose: Pose, a: int, b: int) -> float:
    return float(np.linalg.norm(pose.points[a] - pose.points[b]))


def torso(pose: Pose) -> float:
    return float(np.linalg.norm(pose.points[[8, 11]].mean(axis=0) - pose.points[1]))


def head_size(pose: Pose) -> float:
    return float(np.linalg.norm(pose.points[HEAD] - pose.points[1], axis=1).mean())


def floor(pose: Pose) -> float:
    return float(np.nanmax(pose.points[8:14, 1]))


@st.composite
def skeletons(draw: st.DrawFn, missing: bool = True) -> Pose:
    """Every bone of any length from 4 to 150 pixels in any direction, some joints missing, on any canvas."""
    sizes = draw(st.lists(st.floats(4, 150), min_size=17, max_size=17))
    angles = draw(st.lists(st.floats(0, 2 * np.pi), min_size=17, max_size=17))
    points = np.zeros((18, 2))
    points[1] = draw(st.tuples(st.floats(-50, 600), st.floats(-50, 600)))
    for (parent, joint), size, angle in zip(LIMBS, sizes, angles, strict=True):
        points[joint] = points[parent] + size * np.array([np.cos(angle), np.sin(angle)])
    if missing:
        gone = draw(st.lists(st.booleans(), min_size=18, max_size=18))
        assume(not all(gone))
        points[gone] = np.nan
    return Pose(points, draw(st.integers(16, 2000)), draw(st.integers(16, 2000)))


@given(skeletons())
def test_to_itself_is_the_identity(pose: Pose) -> None:
    np.testing.assert_allclose(retarget(pose, pose).points, pose.points, rtol=0, atol=1e-6)


@given(skeletons(), skeletons())
def test_missing_stays_missing_on_the_canvas_of_the_reference(pose: Pose, reference: Pose) -> None:
    result = retarget(pose, reference)
    assert (result.visible == pose.visible).all()
    assert np.isfinite(result.points[pose.visible]).all()
    assert (result.width, result.height) == (reference.width, reference.height)


@given(skeletons(), skeletons())
def test_limbs_have_the_lengths_of_the_reference_and_the_directions_of_the_pose(pose: Pose, reference: Pose) -> None:
    result = retarget(pose, reference)
    for a, b in ARMS_AND_LEGS:
        if not pose.visible[[a, b]].all():
            continue
        before, after = pose.points[b] - pose.points[a], result.points[b] - result.points[a]
        assert np.dot(before, after) == pytest.approx(np.linalg.norm(before) * np.linalg.norm(after))
        if reference.visible[[a, b]].all():
            assert length(result, a, b) == pytest.approx(length(reference, a, b))
        elif reference.visible[[MIRROR[a], MIRROR[b]]].all():
            assert length(result, a, b) == pytest.approx(length(reference, MIRROR[a], MIRROR[b]))


@given(skeletons(missing=False), skeletons(missing=False))
def test_torso_head_floor_and_place_are_those_of_the_reference(pose: Pose, reference: Pose) -> None:
    assume(torso(pose) > 1)
    result = retarget(pose, reference)
    assert torso(result) == pytest.approx(torso(reference))
    assert head_size(result) == pytest.approx(head_size(reference))
    assert floor(result) == pytest.approx(floor(reference))
    trunk = [1, 2, 5, 8, 11]
    assert result.points[trunk, 0].mean() == pytest.approx(reference.points[trunk, 0].mean())


@given(skeletons(), skeletons())
def test_does_not_care_which_side_is_which(pose: Pose, reference: Pose) -> None:
    expected = mirror(retarget(pose, reference)).points
    np.testing.assert_allclose(retarget(mirror(pose), mirror(reference)).points, expected, rtol=1e-6, atol=1e-6)


def child() -> Pose:
    """Half the adult's size, with a larger head, shorter legs, narrower hips, and standing elsewhere."""
    points = STANDING * 0.5
    points[HEAD] = points[1] + (points[HEAD] - points[1]) * 1.5
    for hip, knee, ankle in ((8, 9, 10), (11, 12, 13)):
        shin, thigh = (points[ankle] - points[knee]) * 0.8, (points[knee] - points[hip]) * 0.8
        points[hip, 0] += 3 if hip == 8 else -3
        points[knee] = points[hip] + thigh
        points[ankle] = points[knee] + shin
    return Pose(points + (40, 30), 400, 300)


def test_an_adults_pose_becomes_a_childs() -> None:
    adult, small = STANDING.copy(), child()
    adult[3:5] = [(90, 70), (60, 20)]  # waves
    result = retarget(Pose(adult, 352, 512), small)
    for a, b in [*ARMS_AND_LEGS, (2, 5), (8, 11)]:
        assert length(result, a, b) == pytest.approx(length(small, a, b))
    assert head_size(result) == pytest.approx(head_size(small))
    assert floor(result) == pytest.approx(floor(small))
    assert result.points[4, 1] < result.points[2, 1]  # still waves


def test_a_profile_keeps_its_narrow_shoulders() -> None:
    profile = STANDING.copy()
    profile[:, 0] = 176 + (profile[:, 0] - 176) * 0.1
    result = retarget(Pose(profile, 352, 512), Pose(STANDING, 352, 512))
    for a, b in ((2, 5), (8, 11)):
        assert length(result, a, b) < 0.2 * length(Pose(STANDING, 352, 512), a, b)


def test_limbs_that_the_reference_lacks_take_the_overall_scale() -> None:
    half = STANDING * 0.5
    half[[3, 4, 6, 7]] = np.nan
    result = retarget(Pose(STANDING, 352, 512), Pose(half, 176, 256))
    np.testing.assert_allclose(result.points, STANDING * 0.5)


def test_what_hangs_from_a_missing_joint_moves_along() -> None:
    pose, doubled = STANDING.copy(), STANDING * 2
    pose[3] = np.nan
    result = retarget(Pose(pose, 352, 512), Pose(doubled, 704, 1024))
    expected = doubled.copy()
    expected[3] = np.nan
    np.testing.assert_allclose(result.points, expected)


def test_with_no_ankle_the_torso_keeps_its_height() -> None:
    portrait = STANDING.copy()
    portrait[[9, 10, 12, 13]] = np.nan
    result = retarget(Pose(STANDING + (9, 7), 352, 512), Pose(portrait, 352, 512))
    np.testing.assert_allclose(result.points, STANDING)


def test_a_reference_of_a_head_alone_gives_the_place_of_the_head() -> None:
    head = np.full((18, 2), np.nan)
    head[HEAD] = STANDING[HEAD]
    result = retarget(Pose(STANDING + (9, 7), 352, 512), Pose(head, 352, 512))
    np.testing.assert_allclose(result.points, STANDING)


def test_with_no_bone_in_common_the_canvases_give_the_scale() -> None:
    legs, arms = np.full((18, 2), np.nan), np.full((18, 2), np.nan)
    legs[8:14], arms[2:8] = STANDING[8:14], STANDING[2:8]
    result = retarget(Pose(legs, 352, 512), Pose(arms, 176, 256))
    assert length(result, 8, 9) == pytest.approx(length(Pose(STANDING, 1, 1), 8, 9) / 2)
    np.testing.assert_allclose(np.nanmean(result.points, axis=0), np.nanmean(arms, axis=0))


# --- Motion -----------------------------------------------------------------------------------------------------------


TRUNK = [1, 2, 5, 8, 11]


def too_narrow(pose: Pose) -> bool:
    """Whether shoulders or hips are so near to each other that rounding settles on which side they are."""
    return length(pose, 2, 5) < 0.1 or length(pose, 8, 11) < 0.1


def moved(pose: Pose, *steps: tuple[float, float]) -> list[Pose]:
    return [Pose(pose.points + step, pose.width, pose.height) for step in steps]


@given(skeletons(), st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), min_size=1, max_size=4))
def test_one_s_own_motion_is_kept(pose: Pose, steps: list[tuple[float, float]]) -> None:
    assume(not too_narrow(pose))
    frames = moved(pose, (0, 0), *steps)
    for result, frame in zip(retarget_motion(frames, pose), frames, strict=True):
        np.testing.assert_allclose(result.points, frame.points, rtol=0, atol=1e-6)


@given(skeletons(), skeletons())
def test_the_first_frame_stands_where_it_would_alone(pose: Pose, reference: Pose) -> None:
    assume(not too_narrow(pose))
    first, *_ = retarget_motion(moved(pose, (0, 0), (20, 5)), reference)
    np.testing.assert_allclose(first.points, retarget(pose, reference).points, rtol=0, atol=1e-6)


def test_a_childs_steps_and_jumps_are_a_childs() -> None:
    walk = moved(Pose(STANDING, 352, 512), (0, 0), (40, 0), (80, -30), (80, 0))
    results = retarget_motion(walk, child())
    scale = np.median([length(child(), a, b) / length(walk[0], a, b) for a, b in ARMS_AND_LEGS])
    assert 0.3 < scale < 0.6
    for frame, result in zip(walk, results, strict=True):
        assert length(result, 8, 9) == pytest.approx(length(child(), 8, 9))
        assert floor(result) - floor(results[0]) == pytest.approx(scale * (floor(frame) - floor(walk[0])), rel=0.2)
        across = result.points[TRUNK, 0].mean() - results[0].points[TRUNK, 0].mean()
        assert across == pytest.approx(scale * (frame.points[1, 0] - STANDING[1, 0]), rel=0.2)


@pytest.mark.parametrize("gone", [[], [9, 10, 12, 13]], ids=["whole reference", "portrait"])
def test_bent_knees_leave_the_feet_on_the_floor(gone: list[int]) -> None:
    reference, squat = child(), STANDING.copy()
    reference.points[gone] = np.nan
    squat[[*range(9), 11, *range(14, 18)], 1] += 60
    squat[[9, 12]] += [(-85, 25), (85, 25)]
    results = retarget_motion([Pose(STANDING, 352, 512), Pose(squat, 352, 512)], reference)
    assert floor(results[1]) == pytest.approx(floor(results[0]))
    assert results[1].points[1, 1] > results[0].points[1, 1] + 5


def test_the_size_of_a_motion_does_not_flicker_with_a_limb_that_points_at_the_viewer() -> None:
    arms = STANDING.copy()
    arms[[3, 4, 6, 7]] = arms[[2, 2, 5, 5]] + [(1, 1), (2, 2), (1, 1), (2, 2)]
    begin = moved(Pose(STANDING, 352, 512), (0, 0), (50, 0))
    plain, pointing = (
        retarget_motion(begin + moved(Pose(points, 352, 512), (100, 0)), child())[2].points[TRUNK, 0].mean()
        for points in (STANDING, arms)
    )
    assert pointing == pytest.approx(plain)


# --- In space ---------------------------------------------------------------------------------------------------------


def somebody(seed: int, height: float = 300.0) -> SpatialPose:
    """Joints in space, in pixels, in front of a canvas; everybody stands alike."""
    angles = random_angles(1, np.random.default_rng(3))
    (joints,) = place_joints(angles, random_proportions(1, np.random.default_rng(seed)))
    return SpatialPose(joints * height, 352, 512)


def reaching(space: SpatialPose) -> SpatialPose:
    """The same, the right forearm pointing nearly at the viewer."""
    points = space.points.copy()
    forearm = np.linalg.norm(points[4] - points[3])
    points[4] = points[3] + forearm * np.array([0.1, 0.0, -np.sqrt(0.99)])
    return SpatialPose(points, space.width, space.height)


def test_in_space_to_itself_is_the_identity() -> None:
    space = somebody(1)
    np.testing.assert_allclose(retarget(space, space).points, space.points, rtol=0, atol=1e-6)
    for moved in retarget_motion([space, space], space):
        np.testing.assert_allclose(moved.points, space.points, rtol=0, atol=1e-6)


def test_in_space_a_forearm_that_points_at_the_viewer_stays_short_in_the_picture() -> None:
    pose, child = reaching(somebody(1)), somebody(2, height=180.0)
    moved = retarget(pose, child).points
    for parent, joint in ARMS_AND_LEGS:
        vector, before = moved[joint] - moved[parent], pose.points[joint] - pose.points[parent]
        wanted = child.points[joint] - child.points[parent]
        assert np.linalg.norm(vector) == pytest.approx(np.linalg.norm(wanted)), "the length is the child's, in space"
        np.testing.assert_allclose(vector / np.linalg.norm(vector), before / np.linalg.norm(before), atol=1e-9)
    flat, flat_child = (Pose(space.points[:, :2], 352, 512) for space in (pose, child))
    shown, in_picture = np.linalg.norm(moved[4, :2] - moved[3, :2]), length(retarget(flat, flat_child), 3, 4)
    assert shown == pytest.approx(0.1 * np.linalg.norm(child.points[4] - child.points[3]))
    assert in_picture > 3 * shown, "without the third dimension nobody knows"


def test_metres_of_a_retargeted_pose_lie_over_it_and_keep_its_size() -> None:
    pose, child = somebody(1), somebody(2, height=180.0)
    metres = (pose.points - pose.points[[8, 11]].mean(axis=0)) / 170.0
    moved = retarget(pose, child)
    again = in_metres(moved.points, metres)
    assert again is not None
    np.testing.assert_allclose(again[[8, 11]].mean(axis=0), 0, atol=1e-9)
    assert np.linalg.norm(again - again.mean(axis=0)) == pytest.approx(np.linalg.norm(metres - metres.mean(axis=0)))
    back = laid_over_picture(Pose(moved.points[:, :2], 352, 512, again))
    assert back is not None
    np.testing.assert_allclose(back - back.mean(axis=0), moved.points - moved.points.mean(axis=0), atol=1e-6)
    few = metres.copy()
    few[2:] = np.nan
    assert in_metres(moved.points, few) is None and in_metres(moved.points, None) is None
