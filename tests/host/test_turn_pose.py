"""Turn Pose in the host: what its wire carries, turntables, key points in metres, errors that name it."""

import json

import folder_paths
import numpy as np
import pytest
from host import PACK
from tiny_host import nodes

from cfld_modules.poses import keypoints, reading, turning


def execute(pose, angle=0.0, tilt=0.0, frames=1):
    return nodes.CFLDTurnPose.execute(pose, angle, tilt, frames).result[0]


def load(name):
    return json.loads((PACK / "web" / "poses" / f"{name}.json").read_text())


def in_metres(frame, depth):
    """The frame with key points in metres as flat as its own, but for the wrists' depth."""
    (pose,) = reading.read_pose_keypoints(frame)
    metres = np.hstack([np.nan_to_num(pose.points) / 250, np.zeros((18, 1)), pose.visible[:, None]])
    metres[[4, 7], 2] = depth
    person = frame["people"][0] | {"pose_keypoints_3d": metres.ravel().tolist()}
    return frame | {"people": [person]}


@pytest.mark.parametrize("angle", [0.0, 360.0])
def test_no_turn_is_the_pose_bit_for_bit(angle):
    assert execute(load("waving"), angle) == load("waving")


def test_the_views_of_every_pose_one_after_the_other():
    names = ("waving", "sitting_on_chair_side")
    frames = execute([load(name)[0] for name in names], 30.0, 10.0, 3)
    assert len(frames) == 6
    for number, name in enumerate(names):
        (pose,) = reading.read_pose_keypoints(load(name))
        views = turning.turntable(pose, 30.0, 10.0, 3)
        assert frames[3 * number : 3 * number + 3] == keypoints.write_pose_keypoints(views)


def test_metres_on_the_wire_are_used():
    near, far = (reading.read_pose_keypoints(execute(in_metres(load("a_pose")[0], z), 90.0))[0] for z in (-0.4, 0.4))
    wrists = [4, 7]
    assert (np.nan_to_num(near.points[wrists, 0], nan=-np.inf) < np.nan_to_num(far.points[wrists, 0], nan=np.inf)).all()


def wrists_of(frames):
    """The wrists' x at an angle of 90: how far they are from the viewer."""
    (pose,) = reading.read_pose_keypoints(execute(frames, 90.0))
    return np.nan_to_num(pose.points[[4, 7], 0], nan=np.inf)


@pytest.mark.parametrize(
    "route",
    ["load", "load normalised", "load named", "choose", "choose normalised", "edit", "retarget", "turn named"],
)
def test_the_nodes_between_keep_the_third_dimension(route, tmp_path, monkeypatch):
    """What comes near by its metres, comes near when it is turned, whichever nodes the pose has come through."""
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))

    def through(frame):
        if route.endswith("normalised"):
            points = np.reshape(frame["people"][0]["pose_keypoints_2d"], (18, 3)) / (352, 512, 1)
            person = frame["people"][0] | {"pose_keypoints_2d": points.ravel().tolist()}
            frame = frame | {"people": [person]}
        file = {"dance": {"frames": [[frame]]}} if route.endswith("named") else [frame]
        match route.split()[0]:
            case "load":
                (tmp_path / "pose.json").write_text(json.dumps(file))
                return nodes.CFLDLoadPose.execute("pose.json").result[0]
            case "choose":
                return nodes.CFLDChoosePerson.execute([frame], "leftmost", 1, "error").result[0]
            case "edit":
                return nodes.CFLDPoseEditor.execute("", 704, 1024, pose=[frame]).result[0]
            case "retarget":
                return nodes.CFLDRetargetPose.execute([frame], load("standing_front")).result[0]
            case "turn":
                return file

    near, far = (wrists_of(through(in_metres(load("a_pose")[0], depth))) for depth in (-0.4, 0.4))
    assert (near + 50 < far).all()


def test_a_retargeted_pose_is_shorter_where_it_comes_near():
    """Of a forearm that metres say to come towards the viewer, the picture shows less than of the reference's."""
    (flat,), (near,) = (
        reading.read_pose_keypoints(nodes.CFLDRetargetPose.execute(pose, load("standing_front")).result[0])
        for pose in (load("a_pose"), [in_metres(load("a_pose")[0], -0.4)])
    )
    forearms = [np.linalg.norm(pose.points[[4, 7]] - pose.points[[3, 6]], axis=1) for pose in (flat, near)]
    assert (forearms[1] < 0.8 * forearms[0]).all()


def test_errors_name_the_node_and_its_input():
    bad = in_metres(load("a_pose")[0], 0)
    bad["people"][0]["pose_keypoints_3d"] = [1.0, 2.0]
    for pose, words in ((bad, "frame 1, person 1, pose_keypoints_3d"), ([], "no frame"), (7, "must be a frame")):
        with pytest.raises(ValueError, match=f"^Turn Pose: input 'pose': Key points.*{words}"):
            execute(pose, 30.0)
