"""Key-point files of many tools, made from one figure."""

import json

import numpy as np

from cfld_modules.poses.keypoints import JOINT_NAMES
from cfld_modules.poses.reading import parse_pose_json

SIZE = {"canvas_width": 512, "canvas_height": 512}


FIGURE = np.array([
    (241, 77), (240, 130), (200, 130), (180, 195), (170, 255), (280, 130), (300, 195), (310, 255), (215, 265),
    (212, 365), (210, 470), (265, 265), (268, 365), (270, 470), (232, 68), (250, 68), (222, 75), (260, 75),
], dtype=float)  # fmt: skip


SMALL = FIGURE * 0.45 + (20, 260)


COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)  # fmt: skip


def named(points: np.ndarray = FIGURE) -> dict[str, np.ndarray]:
    """By our names, with what other tools also have."""
    joints = dict(zip(JOINT_NAMES, points, strict=True))
    joints["mid hip"] = (joints["right hip"] + joints["left hip"]) / 2
    joints["spine"] = (joints["mid hip"] + joints["neck"]) / 2
    joints["head top"] = joints["nose"] + 0.8 * (joints["nose"] - joints["neck"])
    joints["head bottom"] = joints["neck"] + 0.3 * (joints["nose"] - joints["neck"])
    return joints


def rows(names: tuple[str, ...], points: np.ndarray = FIGURE, score: float = 0.9) -> list[list[float]]:
    joints = named(points)
    return [[*joints[name].tolist(), score] for name in names]


def flat(rows: list) -> list:
    return [number for row in rows for number in row]


def pairs(rows: list) -> list:
    return [row[:2] for row in rows]


def frame(body: list, **more: object) -> dict:
    return {"people": [{"pose_keypoints_2d": body, **more}], **SIZE}


def of_mmpose(points: np.ndarray, names: tuple[str, ...] = COCO) -> dict:
    return {"keypoints": pairs(rows(names, points)), "keypoint_scores": [0.9] * len(names), "bbox": [[1, 2, 3, 4]]}


def assert_reads(value: object, *poses: np.ndarray) -> None:
    """The poses, of which missing joints are NaN; the neck of COCO's is between the shoulders."""
    for read, wanted in zip(parse_pose_json(json.dumps(value)), poses, strict=True):
        assert (read.width, read.height) == (512, 512)
        np.testing.assert_allclose(read.points, wanted, atol=0.51)


def without(*names: str) -> np.ndarray:
    points = FIGURE.copy()
    points[[JOINT_NAMES.index(name) for name in names]] = np.nan
    return points
