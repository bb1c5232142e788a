"""Pairs of photographs of the same person, of any data set; reads annotations and pairs in the authors' layout."""

import csv
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ..errors import LONGEST_VALUE, DataError, PhotographError, PoseError, short, shortened
from ..photographs import check_photograph, read_photograph
from ..poses.framing import Fit
from ..poses.keypoints import Pose
from ..poses.reading import read_pose_keypoints

Split = Literal["train", "test"]
BadRows = Literal["skip", "error"]

SURELY_PIXELS = 10
"""A coordinate beyond is no share of the canvas."""
BEYOND = 1.06
"""Sides of the canvas that an annotated point may be from its top left corner: detectors find nothing outside."""
ANNOTATED_TOLERANCE = 0.03  # DeepFashion's photographs, most of 750x1101, are 1 % narrower than its key points' canvas

logger = logging.getLogger("cfld")


class Photograph(Protocol):
    """One picture of one person. `name` tells it from all others of its data set."""

    @property
    def name(self) -> str: ...

    def picture(self) -> np.ndarray:
        """RGB uint8 (H, W, 3)."""

    def pose(self) -> Pose:
        """On a canvas of the picture's aspect, but not necessarily of its size."""


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
    """(source, target) index pairs into photographs.

    Attributes:
        fit: how pictures and poses are brought to the frame's aspect; the paper's data are squashed whole, 'stretch'.
    """

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
    """Around the reading of one row: what is wrong with it is logged and the row left out, or it is an error.

    Raises:
        DataError: naming `where`, unless bad rows are skipped.
    """
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

    Raises:
        DataError: when a file or column is missing, a row is bad and `bad_rows` is 'error', or no pair is left.
    """
    if not images.is_dir():
        raise DataError(f"'{images}' is no folder; the pictures belong there")
    names = set(os.listdir(images))
    rows_with_photographs: list[tuple[str, PhotographFile]] = []
    rows = list(_rows(annotations, ":", ("name", "keypoints_y", "keypoints_x")))
    for (where, row), pose in zip(rows, _plain_poses([row for _, row in rows], canvas), strict=True):
        with usable_row(where, bad_rows):
            name = _complete(row)["name"]
            if name not in names:
                raise DataError(f"there is no picture '{shortened(name, LONGEST_VALUE)}' in '{images}'")
            rows_with_photographs.append((where, PhotographFile(name, images / name, pose or _pose(row, canvas))))
    photographs: dict[str, PhotographFile] = {}
    sizes = photograph_sizes([photograph.path for _, photograph in rows_with_photographs])
    for (where, photograph), size in zip(rows_with_photographs, sizes, strict=True):
        with usable_row(where, bad_rows):
            check_aspect(photograph.key_points, *usable_size(size), ANNOTATED_TOLERANCE)
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
    """That key points are of this picture, or of one that was only scaled.

    Raises:
        DataError: when their canvas is of another aspect, as of a cut or padded picture, or one on its side.
    """
    if abs(pose.width * height / (pose.height * width) - 1) > tolerance:
        raise DataError(
            f"it is {width}x{height} as one sees it, and its key points are on a canvas of {pose.width}x{pose.height}, "
            "which is of another aspect; give those of the upright, whole picture"
        )


def photograph_sizes(files: Sequence[Path]) -> list[tuple[int, int] | PhotographError]:
    """The (width, height) of each picture file, or what is wrong with a damaged one; see `usable_size`.

    A damaged picture is to be known before training has run for hours. All are read, on all cores at once.
    """
    # Few enough to keep all cores at work, and enough for the work to count more than its distribution.
    batches = [files[first : first + 64] for first in range(0, len(files), 64)]
    with ThreadPoolExecutor(os.cpu_count()) as readers:  # more of them than cores only take turns
        return list(chain.from_iterable(readers.map(lambda batch: [*map(_size, batch)], batches)))


def usable_size(size: tuple[int, int] | PhotographError) -> tuple[int, int]:
    """Raises PhotographError where there is one instead."""
    if isinstance(size, PhotographError):
        raise size
    return size


def _size(file: Path) -> tuple[int, int] | PhotographError:
    try:
        return check_photograph(file)
    except PhotographError as error:
        return error


def existing(root: Path, *names: str) -> Path:
    """The first of `names` that is in `root`.

    Raises:
        DataError: naming them all, when none is.
    """
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


def _plain_poses(rows: Sequence[Mapping[str, str]], canvas: tuple[int, int]) -> list[Pose | None]:
    """The poses of rows that are beyond doubt: numbers in pixels, in the frame, -1 where missing. None for others.

    One by one, a hundred thousand rows take half a minute.
    """
    plain_rows = {index: columns for index, row in enumerate(rows) if (columns := _plain_columns(row))}
    points = np.array(list(plain_rows.values()), float).reshape(-1, 2, 18)[:, ::-1].transpose(0, 2, 1).copy()
    is_missing = (points == -1).any(axis=2)
    is_inside = ((points >= 0) & (points <= canvas)).all(axis=2)
    is_sure = (is_inside | is_missing).all(axis=1) & ((points > SURELY_PIXELS).any(axis=2) & ~is_missing).any(axis=1)
    points[is_missing] = np.nan
    poses: list[Pose | None] = [None] * len(rows)
    for index, pose, sure in zip(plain_rows, points, is_sure, strict=True):
        if sure:
            poses[index] = Pose(pose, *canvas)
    return poses


def _plain_columns(row: Mapping[str, str]) -> list[list[float]] | None:
    """Both columns of a row that has 18 plain numbers in each."""
    try:
        columns = [json.loads(row[name]) for name in ("keypoints_y", "keypoints_x")]
        is_plain = all(len(column) == 18 and {*map(type, column)} <= {int, float} for column in columns)
    except (ValueError, TypeError, RecursionError):
        return None
    return columns if is_plain else None


def _pose(row: Mapping[str, str], canvas: tuple[int, int]) -> Pose:
    try:
        key_points = {column: json.loads(row[column]) for column in ("keypoints_y", "keypoints_x")}
    except (ValueError, RecursionError) as error:
        raise DataError(f"the key points are no JSON list: {error}") from error
    width, height = canvas
    pose, = read_pose_keypoints({**key_points, "canvas_width": width, "canvas_height": height})
    right, bottom = np.nanmax(pose.points, axis=0)
    if right > BEYOND * width or bottom > BEYOND * height:
        raise DataError(
            f"the key points reach x {right:g} and y {bottom:g} on a canvas of {width}x{height}; whoever found them "
            "looked at a picture of another size, such as 256x256: scale all rows to that canvas"
        )
    return pose


def _place(name: str, places: Mapping[str, int]) -> int:
    if name not in places:
        raise DataError(f"'{shortened(name, LONGEST_VALUE)}' has no (usable) annotation")
    return places[name]
