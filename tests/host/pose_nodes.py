"""Pose nodes by their `execute`: how tests call them and read what they give."""

import importlib

import host
import torch

nodes = importlib.import_module("cfld_pack.nodes")
reading = importlib.import_module("cfld_pack.cfld_modules.poses.reading")
BUNDLED = sorted(path.stem for path in (host.PACK / "web" / "poses").glob("*.json"))
NOT_KEY_POINTS = torch.zeros(1, 8, 8, 3)


def result(node, *arguments, **named):
    return node.execute(*arguments, **named).result


def load(name):
    return result(nodes.CFLDLoadPose, name)[0]


def points(frames):
    return [pose.points for pose in reading.read_pose_keypoints(frames)]
