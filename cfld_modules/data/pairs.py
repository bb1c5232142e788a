"""Pairs of photographs of the same person, of any data set; reads annotations and pairs in the authors' layout."""

import csv
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ..errors import LONGEST_VALUE, DataError, PhotographError, PoseError, short, shortened
from ..photographs import check_photograph, read_photograph
from ..poses.framing import Fit
from ..poses.keypoints import Pose
from ..poses.reading import read_pose_keypoints
from .pose_files import NamedPose

Split = Literal["train", "test"]
BadRows = Literal["skip", "error"]

SURELY_PIXELS = 10
"""A coordinate beyond is no share of the canvas."""
BEYOND = 1.06
"""Sides of the canvas that an annotated point may be from its top left corner: detectors find nothing outside."""
ANNOTATED_TOLERANCE = 0.03  # DeepFashion's photographs, most of 750x1101, are 1 % narrower than its key points' canvas

logger = logging.getLogger("cfld")


class Photograph(NamedPose, Protocol):
    """One picture of one person; the pose is on a canvas of its aspect, but not necessarily of its size."""

    def picture(self) -> np.ndarray:
        """RGB uint8 (H, W, 3)."""


@dataclass(frozen=True)
class PhotographFile:
    """A photograph in a file, with key points that were read with the data set; two of one file are equal."""

    name: str
    path: Path
    key_points: Pose = field(compare=False)

    def picture(self) -> np.ndarray:
        return read_photograph(self.path)

    def pose(self) -> Pose:
        return self.key_points


@dataclass(frozen=True)
class Pairs:
    """(source, target) index pairs into photographs, which `fit` brings to the frame's aspect; the paper stretches."""

    photographs: Sequence[Photograph]
    pairs: Sequence[tuple[int, int]]
    fit: Fit = "stretch"

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Photograph, Photograph]:
        source, target = self.pairs[index]
        return self.photographs[source], self.photographs[target]


@contextmanager
def usable_row(where: str, bad_rows: BadRows) -> Iterator[None]:
    """Around the reading of one row: what is wrong is logged and the row left out, or a DataError names `where`."""
    try:
        yield
    except (DataError, PoseError, PhotographError) as error:
        if bad_rows == "error":
            raise DataError(f"{where}: {error} (bad_rows: skip leaves such rows out)") from error
        logger.warning("%s is left out: %s", where, error)


def read_annotated_pairs(
    images: Path, annotations: Path, pairs: Path, canvas: tuple[int, int], bad_rows: BadRows
) -> Pairs:
    """The authors' layout: a flat folder of pictures, colon-separated key points, comma-separated pairs.

    Args:
        annotations: with the header `name:keypoints_y:keypoints_x`, each a JSON list of 18, -1 where missing.
        pairs: with the columns `from` and `to`, names of pictures.
        canvas: (width, height) of the frame the key points are in.

    Raises DataError when a file or column is missing, a row is bad and `bad_rows` is 'error', or no pair is left.
    """
    if not images.is_dir():
        raise DataError(f"'{images}' is no folder; the pictures belong there")
    names = set(os.listdir(images))
    rows_with_photographs: list[tuple[str, PhotographFile]] = []
    for where, row in _rows(annotations, ":", ("name", "keypoints_y", "keypoints_x")):
        with usable_row(where, bad_rows):
            name = _complete(row)["name"]
            if name not in names:
                raise DataError(f"there is no picture '{shortened(name, LONGEST_VALUE)}' in '{images}'")
            rows_with_photographs.append((where, PhotographFile(name, images / name, _pose(row, canvas))))
    photographs: dict[str, PhotographFile] = {}
    sizes = photograph_sizes([photograph.path for _, photograph in rows_with_photographs])
    for (where, photograph), size in zip(rows_with_photographs, sizes, strict=True):
        with usable_row(where, bad_rows):
            check_aspect(photograph.key_points, *size.result(), ANNOTATED_TOLERANCE)
            photographs[photograph.name] = photograph
    places = {name: place for place, name in enumerate(photographs)}
    pair_places: list[tuple[int, int]] = []
    for where, row in _rows(pairs, ",", ("from", "to")):
        with usable_row(where, bad_rows):
            _complete(row)
            pair_places.append((_place(row["from"], places), _place(row["to"], places)))
    if not pair_places:
        raise DataError(f"'{pairs}' gives no pair")
    return Pairs(list(photographs.values()), pair_places)


def check_aspect(pose: Pose, width: int, height: int, tolerance: float) -> None:
    """Raises DataError where key points are on a canvas of another aspect, as of a cut picture, or one on its side."""
    if abs(pose.width * height / (pose.height * width) - 1) > tolerance:
        raise DataError(
            f"it is {width}x{height} as one sees it, and its key points are on a canvas of {pose.width}x{pose.height}, "
            "which is of another aspect; give those of the upright, whole picture"
        )


def photograph_sizes(files: Sequence[Path]) -> list[Future[tuple[int, int]]]:
    """The (width, height) of each picture file; the result of a damaged one raises PhotographError.

    A damaged picture is to be known before training has run for hours. All are read, on all cores at once.
    """
    with ThreadPoolExecutor(os.cpu_count()) as readers:  # more of them than cores only take turns
        return [readers.submit(check_photograph, file) for file in files]


def existing(root: Path, *names: str) -> Path:
    """The first of `names` that is in `root`. Raises DataError naming them all, when none is."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(f"'{root}' has no {' or '.join(names)}")


def _rows(file: Path, delimiter: str, columns: Sequence[str]) -> Iterator[tuple[str, dict]]:
    """(file and line, row) of a CSV file with a header, in UTF-8 or as spreadsheets save it, with BOM or in UTF-16.

    Bytes that are no text become U+FFFD, so that the rows they are in are bad ones.
    """
    content = file.read_bytes()
    lines = io.StringIO(content.decode(json.detect_encoding(content), errors="replace"), newline="")
    reader = csv.DictReader(lines, delimiter=delimiter)
    try:
        if missing := set(columns) - set(reader.fieldnames or ()):
            columns_there = short(reader.fieldnames)
            raise DataError(f"'{file}', line 1: no column {', '.join(sorted(missing))}; got {columns_there}")
        for row in reader:
            yield f"'{file}', line {reader.line_num}", row
    except csv.Error as error:
        raise DataError(f"'{file}', line {reader.line_num}: {error}; is a quotation mark left open there?") from error


def _complete(row: dict) -> dict:
    if None in row or None in row.values():  # as the csv module marks fields too many and too few
        raise DataError("it has not as many fields as the header")
    return row


def _pose(row: Mapping[str, str], canvas: tuple[int, int]) -> Pose:
    try:
        x, y = (json.loads(row[column]) for column in ("keypoints_x", "keypoints_y"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"the key points are no JSON list: {error}") from error
    width, height = canvas
    if sure_pose := _sure_pose(x, y, width, height):
        return sure_pose
    pose, = read_pose_keypoints({"keypoints_y": y, "keypoints_x": x, "canvas_width": width, "canvas_height": height})
    right, bottom = np.nanmax(pose.points, axis=0)
    if right > BEYOND * width or bottom > BEYOND * height:
        raise DataError(
            f"the key points reach x {right:g} and y {bottom:g} on a canvas of {width}x{height}; whoever found them "
            "looked at a picture of another size, such as 256x256: scale all rows to that canvas"
        )
    return pose


def _sure_pose(x: object, y: object, width: int, height: int) -> Pose | None:
    """Of 18 plain numbers each, in pixels of the frame, -1 where missing: spares most of the time. None of others."""
    for axis, side in ((x, width), (y, height)):
        if not isinstance(axis, list) or len(axis) != 18 or not {*map(type, axis)} <= {int, float}:
            return None
        if not all(value == -1 or 0 <= value <= side for value in axis):
            return None
    points = np.array([x, y], float).T
    points[(points == -1).any(axis=1)] = np.nan
    return Pose(points, width, height) if (points > SURELY_PIXELS).any() else None


def _place(name: str, places: Mapping[str, int]) -> int:
    if name not in places:
        raise DataError(f"'{shortened(name, LONGEST_VALUE)}' has no (usable) annotation")
    return places[name]
