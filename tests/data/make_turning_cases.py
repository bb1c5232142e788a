"""Writes turning_cases.json: poses, some with their third dimension, and how each is lifted and turned in Python.

A case has a `name`, a `pose` of 18 points in pixels of `canvas`, null where missing, `metres` as `pose_keypoints_3d`
has them or null, `angle` and `tilt`; and what is right: `space`, 18 points [x, y, z], and `turned`, 18 points.
"""

import json
from pathlib import Path

import numpy as np

from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.lifting import lift
from cfld_modules.poses.reading import read_pose_keypoints
from cfld_modules.poses.turning import turn

POSES = Path(__file__).parents[2] / "web" / "poses"
TURNS = [(30, 0), (90, 0), (180, 0), (250, 20), (315, -35), (0, 60)]
PARTS = {
    "whole": [], "a wrist hidden": [4], "an arm hidden": [2, 3, 4], "a portrait": list(range(8, 14)), "no neck": [1],
    "no face": [0, 14, 15, 16, 17], "legs alone": [*range(8), *range(14, 18)],
    "head and shoulders, no face": [0, 3, 4, *range(6, 18)],
}
NAMES = [
    "standing_front", "waving", "arms_crossed", "running_side", "sitting_on_chair_front", "bowing", "standing_back",
]


def written(pose: Pose) -> list:
    return [point.tolist() if seen else None for point, seen in zip(pose.points, pose.visible, strict=True)]


def rounded(points: np.ndarray) -> list:
    return [None if np.isnan(point).any() else [round(float(number), 5) for number in point] for point in points]


def metres_of(pose: Pose, known: slice) -> list[float]:
    """Made of the lifter's guess, with another depth; only of the joints in `known`."""
    points = lift(pose).points * (1, 1, 1.5) / 200
    points -= points[[8, 11]].mean(axis=0)
    there = np.zeros((18, 1))
    there[known] = ~np.isnan(points[known]).any(axis=1, keepdims=True)
    return np.hstack([np.where(there, points, 0.0).round(4), there]).ravel().tolist()


def case(name: str, pose: Pose, metres: list[float] | None, angle: float, tilt: float) -> dict:
    person = {"pose_keypoints_2d": [number for x, y in np.nan_to_num(pose.points).tolist() for number in (x, y, 1)]}
    for joint in np.flatnonzero(~pose.visible):
        person["pose_keypoints_2d"][3 * joint : 3 * joint + 3] = [0, 0, 0]
    frame = {"people": [person], "canvas_width": pose.width, "canvas_height": pose.height}
    if metres:
        person["pose_keypoints_3d"] = metres
    space = lift(read_pose_keypoints(frame)[0])
    turned = turn(space, angle, tilt)
    return {
        "name": f"{name}, {angle} and {tilt} degrees", "canvas": [pose.width, pose.height], "pose": written(pose),
        "metres": metres, "angle": angle, "tilt": tilt, "space": rounded(space.points),
        "turned": rounded(turned.points),
    }


def cases() -> list[dict]:
    made = []
    for number, name in enumerate(NAMES):
        (pose,) = read_pose_keypoints(json.loads((POSES / f"{name}.json").read_text()))
        for index, (part, missing) in enumerate(PARTS.items()):
            points = pose.points.copy()
            points[missing] = np.nan
            less = Pose(points, pose.width, pose.height)
            made.append(case(f"{name}, {part}", less, None, *TURNS[(number + index) % len(TURNS)]))
        all_metres, some_metres = metres_of(pose, slice(None)), metres_of(pose, slice(5, 18))
        made.append(case(f"{name}, metres", pose, all_metres, *TURNS[number % len(TURNS)]))
        made.append(case(f"{name}, metres of some", pose, some_metres, *TURNS[(number + 2) % len(TURNS)]))
    return made


if __name__ == "__main__":
    Path(__file__).with_name("turning_cases.json").write_text(json.dumps(cases(), separators=(",", ":")) + "\n")
