"""Writes annotations and pairs of a generated data set in DeepFashion's layout (docs/method.md, section 10)."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .poses.keypoints import Pose


@contextmanager
def new_tables(out: Path, split: str) -> Iterator[tuple[Any, Any]]:
    """CSV writers of `fasion-resize-{annotation,pairs}-<split>.csv`, whose headers are written."""
    with (
        open(out / f"fasion-resize-annotation-{split}.csv", "w", newline="", encoding="utf-8") as annotation_file,
        open(out / f"fasion-resize-pairs-{split}.csv", "w", newline="", encoding="utf-8") as pairs_file,
    ):
        annotations = csv.writer(annotation_file, delimiter=":", lineterminator="\n")
        annotations.writerow(("name", "keypoints_y", "keypoints_x"))
        pairs = csv.writer(pairs_file, lineterminator="\n")
        pairs.writerow(("from", "to"))
        yield annotations, pairs


def annotation(pose: Pose, decimals: int = 0) -> tuple[str, str]:
    """Rows y and x in pixels of the pose's canvas as JSON lists, -1 where hidden; whole ones without decimals."""
    points = np.where(np.isnan(pose.points), -1, pose.points.round(decimals))
    x, y = (points if decimals else points.astype(int)).T.tolist()
    return json.dumps(y), json.dumps(x)
