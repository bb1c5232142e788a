"""Key points: the Python reader and the editor's JavaScript give the same reading of one file, or both refuse it."""

import base64
import json
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.reading import parse_pose_json
from tests.fuzz.mutations import changed_bytes, changed_documents
from tests.fuzz.target import Target

CASES = json.loads((Path(__file__).parents[1] / "data" / "keypoint_cases.json").read_text())["cases"]
DOCUMENTS = [case["value"] for case in CASES if "value" in case]
KEYS = sorted({
    "people", "pose_keypoints_2d", "pose_keypoints", "keypoints", "keypoint_scores", "foot_keypoints_2d", "animals",
    "canvas_width", "canvas_height", "width", "height", "keypoints_x", "keypoints_y", "images", "annotations",
    "instance_info", "instances", "id", "image_id", "x", "y", "visible", "frames", "length", "__proto__", "1", "10",
})  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16")
PIECES = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"NaN", b"-Infinity", b"1e999", b"0x10", b"None", b"True",
          b"'", b"\\", b"\xef\xbb\xbf", b"\xff", b"\0", b"()", b'"people":[]', b"[" * 3000, b"9" * 5000]  # fmt: skip


@lru_cache
def _editor() -> subprocess.Popen | None:
    """The editor's reader as a process, which ends with this one; None where there is no node."""
    node = shutil.which("node")
    script = Path(__file__).with_name("read_key_points.mjs")
    return node and subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def read_in_the_editor(content: bytes) -> dict | None:
    """{"frames": [{width, height, pose}]} or {"refused": why}; None where there is no node.

    Raises:
        AssertionError: something else than the editor's own error came out.
    """
    if (editor := _editor()) is None:
        return None
    editor.stdin.write(base64.b64encode(content) + b"\n")
    editor.stdin.flush()
    answer = json.loads(editor.stdout.readline())
    assert "crashed" not in answer, answer["crashed"]
    return answer


def _check_poses(poses: list[Pose]) -> None:
    assert poses
    for pose in poses:
        assert pose.points.shape == (18, 2) and pose.points.dtype == np.float64
        assert pose.visible.any() and not np.isinf(pose.points).any()
        assert (np.isnan(pose.points[:, 0]) == np.isnan(pose.points[:, 1])).all()
        assert type(pose.width) is type(pose.height) is int and pose.width >= 1 <= pose.height


def check_twins(content: bytes, poses: list[Pose] | None, error: Exception | None) -> None:
    """That the editor reads the same."""
    if poses is not None:
        _check_poses(poses)
    answer = read_in_the_editor(content)
    if answer is None:
        return
    assert ("refused" in answer) == (error is not None), f"Python: {error or 'reads it'}; the editor: {answer}"
    if error is None:
        assert [(frame["width"], frame["height"]) for frame in answer["frames"]] == [
            (pose.width, pose.height) for pose in poses
        ]
        theirs = [[point or (np.nan, np.nan) for point in frame["pose"]] for frame in answer["frames"]]
        ours = [pose.points for pose in poses]
        np.testing.assert_allclose(np.array(theirs, dtype=float), ours, rtol=1e-9, atol=1e-9)


def check_file(content: bytes, poses: list[Pose] | None, error: Exception | None) -> None:
    """Of bytes that need not be JSON: nothing but the own errors, on either side."""
    if poses is not None:
        _check_poses(poses)
    read_in_the_editor(content)


def _written(document: object, as_python: bool, encoding: str) -> bytes:
    text = repr(document) if as_python else json.dumps(document, ensure_ascii=encoding == "utf-8")
    return text.encode(encoding, errors="replace")


FILES = [_written(case.get("value", case.get("text")), python, encoding)
         for case, python, encoding in zip(CASES, [False, True] * len(CASES), ENCODINGS * len(CASES), strict=False)]
BOUNDS = dict(most_calls=2_000, calls_a_byte=30, most_memory=500_000, memory_a_byte=300)
TARGETS = {
    "key_points": Target(
        st.builds(_written, changed_documents(DOCUMENTS, KEYS), st.just(False), st.sampled_from(ENCODINGS)),
        parse_pose_json, (PoseError,), check=check_twins, is_cheap=True, **BOUNDS,
    ),
    "pose_files": Target(
        changed_bytes(FILES, PIECES), parse_pose_json, (PoseError,), check=check_file, is_cheap=True, **BOUNDS
    ),
}
