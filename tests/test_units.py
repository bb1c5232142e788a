"""Units, axes, scores and frames of key-point files: what is read, and what is refused with the reason."""

import numpy as np
import pytest

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import JOINT_NAMES
from cfld_modules.poses.reading import read_pose_keypoints
from tests.dialect_files import COCO, FIGURE, SIZE, SMALL, assert_reads, flat, frame, rows, without


def test_third_numbers_that_are_a_depth_hide_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """ZhUyU1997/open-pose-editor 38 and 103; in millimetres as facebookresearch/VideoPose3D's."""
    for unit in (0.2, 900.0):
        depths = np.linspace(-unit, unit, 18).tolist()
        assert_reads([frame([[x, y, z] for (x, y), z in zip(FIGURE.tolist(), depths, strict=True)])], FIGURE)
    assert "no confidence" in caplog.text


def test_a_score_a_little_below_zero_is_a_score() -> None:
    """Peaks of heatmaps: open-mmlab/mmpose's raw scores of joints that are not there."""
    body = rows(JOINT_NAMES)
    for score in (-0.004, -1):
        body[4][2] = score
        assert_reads([frame(flat(body), foot_keypoints_2d=[0.0] * 18)], without("right wrist"))


def test_y_before_x_is_refused_with_the_reason() -> None:
    """tensorflow/tfjs-models and TF Hub's MoveNet give [y, x, score]; JunkyByte/easy_ViTPose 22."""
    swapped = [[y / 512, x / 512, s] for x, y, s in rows(COCO)]
    with pytest.raises(PoseError, match="the person lies, so y seems to stand before x"):
        read_pose_keypoints([frame(flat(swapped))])


def test_y_upwards_is_refused_with_the_reason() -> None:
    """Plots and 3-D tools have y upwards: Unity's and Blender's exports."""
    with pytest.raises(PoseError, match="stands on the head, so y seems to run upwards"):
        read_pose_keypoints([frame(flat([[x, 512 - y, s] for x, y, s in rows(JOINT_NAMES)]))])


def test_who_really_lies_is_read_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    lying = np.stack([FIGURE[:, 1], 512 - FIGURE[:, 0]], axis=1)  # turned a quarter, not mirrored
    assert_reads([frame(flat(rows(JOINT_NAMES, lying)))], lying)
    assert "the person lies" in caplog.text


def test_easy_vitpose_is_known_to_write_y_first() -> None:
    """JunkyByte/easy_ViTPose, --save-json: people by track, names in `skeleton`."""
    people = {str(track): [[y, x, s] for x, y, s in rows(COCO, points)] for track, points in ((0, FIGURE), (3, SMALL))}
    skeleton = {str(place): name.replace(" ", "_") for place, name in enumerate(COCO)}
    assert_reads({"keypoints": [people, {"0": people["0"]}], "skeleton": skeleton, **SIZE}, FIGURE, FIGURE)


def test_percent_is_refused_and_label_studio_s_is_known() -> None:
    """HumanSignal/label-studio 407 and 490: x and y in percent of original_width and original_height."""
    percent = [[x / 5.12, y / 5.12, s] for x, y, s in rows(JOINT_NAMES)]
    with pytest.raises(PoseError, match="seem to be in percent"):
        read_pose_keypoints([frame(flat(percent))])
    result = [
        {"type": "keypointlabels", "original_width": 512, "original_height": 512,
         "value": {"x": x / 5.12, "y": y / 5.12, "width": 0.5, "keypointlabels": [name]}}
        for name, (x, y, _) in zip(COCO, rows(COCO), strict=True)
    ]  # fmt: skip
    assert_reads([{"id": 1, "data": {"img": "a.jpg"}, "annotations": [{"result": result}]}], FIGURE)


def test_a_small_person_beside_the_corner_is_not_in_percent() -> None:
    points = FIGURE * 0.17 + (60, 8)
    assert_reads([frame(flat(rows(JOINT_NAMES, points)))], points)


@pytest.mark.parametrize(
    ("score", "more", "is_there"),
    [(0.35, {"version": "AlphaPose v0.3"}, False), (0.45, {"version": "AlphaPose v0.3"}, True), (0.25, {}, False),
     (0.35, {}, True)],
)  # fmt: skip
def test_18_scores_without_a_zero_count_from_where_the_tool_draws(score: float, more: dict, is_there: bool) -> None:
    """MVIG-SJTU/AlphaPose 1024, --format open, whose own limit is 0.4; Tau-J/rtmlib's `to_openpose`."""
    body = rows(JOINT_NAMES)
    body[4] = [0.1, 0.1, score]
    wanted = FIGURE.copy()
    wanted[4] = (0.1, 0.1) if is_there else np.nan
    assert_reads([{**frame(flat(body)), **more}], wanted)


def test_cmu_s_openpose_which_writes_zeros_counts_from_0_05() -> None:
    body = rows(JOINT_NAMES, score=0.12)
    body[7] = [0.0, 0.0, 0.0]
    assert_reads([frame(flat(body))], without("left wrist"))
