"""The cases that both readers, this and the editor's JavaScript, must agree on."""

import json
from pathlib import Path

import numpy as np
import pytest

from cfld_modules.errors import PoseError
from cfld_modules.poses.reading import parse_pose_json, read_pose_keypoints

CASES = json.loads((Path(__file__).parent / "data" / "keypoint_cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_read_into_its_points_or_refused_with_its_error(case: dict) -> None:
    def read(value: object) -> list:
        return parse_pose_json(case["text"]) if "text" in case else read_pose_keypoints(value)

    if "error" in case:
        with pytest.raises(PoseError, match=case["error"]) as raised:
            read(case["value"])
        assert len(str(raised.value)) < 430, "with the node's name and input the message has to stay under 500"
        return
    wanted = np.array([[point or (np.nan, np.nan) for point in points] for points in case["points"]], dtype=float)
    np.testing.assert_allclose([pose.points for pose in read(case.get("value"))], wanted, rtol=0, atol=1e-6)
