"""Retarget Pose: frames, lengths and motion on another person's skeleton."""

import importlib

import numpy as np
import pytest
from pose_nodes import BUNDLED, NOT_KEY_POINTS, load, nodes, points, reading, result

keypoints = importlib.import_module("cfld_pack.cfld_modules.poses.keypoints")


def child_of(frames, size=0.6, limbs=0.7):
    """Smaller, with shorter forearms, on a canvas of its own."""
    scaled = []
    for pose in reading.read_pose_keypoints(frames):
        joints = pose.points * size + (30, 90)
        for elbow, wrist in ((3, 4), (6, 7)):
            joints[wrist] = joints[elbow] + limbs * (joints[wrist] - joints[elbow])
        scaled.append(keypoints.Pose(joints, 300, 400))
    return keypoints.write_pose_keypoints(scaled)


def forearm(joints):
    return np.linalg.norm(joints[4] - joints[3])


def test_retargeting_takes_the_reference_s_lengths_and_canvas():
    adult, child = load("waving"), child_of(load("a_pose"))
    frame, = result(nodes.CFLDRetargetPose, adult, child)[0]
    assert (frame["canvas_width"], frame["canvas_height"]) == (300, 400)
    (moved,), (wanted,), (before,) = points([frame]), points(child), points(adult)
    assert forearm(moved) == pytest.approx(forearm(wanted)) != pytest.approx(forearm(before))
    direction = (before[4] - before[3]) / forearm(before)
    np.testing.assert_allclose((moved[4] - moved[3]) / forearm(moved), direction, rtol=0, atol=1e-9)


def test_a_pose_on_its_own_skeleton_stays():
    poses = [load(name)[0] for name in BUNDLED[:4]]
    np.testing.assert_allclose(
        points(result(nodes.CFLDRetargetPose, poses, poses)[0]), points(poses), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("count", "references"), [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_retargeting_lists_of_frames_pairs_them_in_turn(count, references):
    names, others = BUNDLED[:count], BUNDLED[-references:]
    both = [load(name)[0] for name in names], child_of([load(name)[0] for name in others])
    retargeted, = result(nodes.CFLDRetargetPose, *both)
    pairs = max(count, references)
    assert len(retargeted) == pairs
    for index, frame in enumerate(retargeted):
        alone, = result(nodes.CFLDRetargetPose, [both[0][index % count]], [both[1][index % references]])
        assert [frame] == alone


def test_frames_that_do_not_pair_up():
    poses = [load(name)[0] for name in BUNDLED[:3]]
    with pytest.raises(ValueError, match="^Retarget Pose: input 'reference' has 2 frames for 3 poses; give one, or as"):
        nodes.CFLDRetargetPose.execute(poses, poses[:2])


@pytest.mark.parametrize("name", ["pose", "reference"])
def test_retarget_pose_names_the_input(name):
    arguments = {"pose": load("waving"), "reference": load("waving"), name: NOT_KEY_POINTS}
    with pytest.raises(ValueError, match=rf"^Retarget Pose: input '{name}': Key points must be"):
        nodes.CFLDRetargetPose.execute(**arguments)


def test_motion_may_follow_the_person():
    pose, = reading.read_pose_keypoints(load("walking_front"))
    walk = [keypoints.Pose(pose.points + (step, 0), 352, 512) for step in (0, 40, 80)]
    frames, child = keypoints.write_pose_keypoints(walk), child_of(load("a_pose"))
    stay, follow = (
        np.array(points(result(nodes.CFLDRetargetPose, frames, child, motion)[0])) for motion in ("stay", "follow")
    )
    np.testing.assert_array_equal(stay, points(result(nodes.CFLDRetargetPose, frames, child)[0]))
    np.testing.assert_allclose(stay[1:], np.stack([stay[0]] * 2), atol=1e-6)
    steps = np.nanmean(follow[1:] - follow[:-1], axis=1)
    np.testing.assert_allclose(steps[0], steps[1], atol=1e-6)
    assert 15 < steps[0, 0] < 35 and abs(steps[0, 1]) < 1e-6


def test_motion_of_several_bodies_is_refused():
    poses = [load(name)[0] for name in BUNDLED[:2]]
    with pytest.raises(ValueError, match="^Retarget Pose: input 'reference' has 2 frames, but motion 'follow' .* give"):
        nodes.CFLDRetargetPose.execute(poses, poses, "follow")
