"""The cases by which the editor's JavaScript is compared are what Python says."""

import json
from pathlib import Path

import numpy as np
import pytest

from cfld_modules.poses.lifting import lift
from cfld_modules.poses.reading import read_pose_keypoints
from cfld_modules.poses.turning import turn

CASES = json.loads((Path(__file__).parent / "data" / "turning_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_lifted_and_turned_into_its_points(case: dict) -> None:
    body = [number for point in case["pose"] for number in ((*point, 1) if point else (0, 0, 0))]
    person = {"pose_keypoints_2d": body, **({"pose_keypoints_3d": case["metres"]} if case["metres"] else {})}
    frame = {"people": [person], "canvas_width": case["canvas"][0], "canvas_height": case["canvas"][1]}
    space = lift(read_pose_keypoints(frame, is_ours=True)[0])
    turned = turn(space, case["angle"], case["tilt"])
    for points, wanted in ((space.points, case["space"]), (turned.points, case["turned"])):
        wanted = np.array([point or [np.nan] * points.shape[1] for point in wanted])
        np.testing.assert_allclose(points, wanted, rtol=0, atol=1e-3)
