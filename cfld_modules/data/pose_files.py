"""Target poses read from files, used in place of the poses of a data set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from ..errors import DataError, PoseError
from ..poses.keypoints import Pose
from ..poses.reading import parse_pose_json


class NamedPose(Protocol):
    """A pose that may be asked for: a photograph's, or one of a file. `name` tells it from the others."""

    @property
    def name(self) -> str: ...

    def pose(self) -> Pose: ...


@dataclass(frozen=True)
class PoseOfFile:
    """One frame of a file of key points."""

    name: str
    key_points: Pose

    def pose(self) -> Pose:
        return self.key_points


def read_pose_files(files: Sequence[Path]) -> list[PoseOfFile]:
    """Every frame of every file, in any dialect of POSE_KEYPOINT; or a DataError that names the file."""
    poses_of_files = []
    for file in chain.from_iterable(files_in_order(file, (".json",)) for file in files):
        try:
            poses = parse_pose_json(file.read_bytes())
        except (OSError, PoseError) as error:
            raise DataError(f"'{file}': {error}") from error
        poses_of_files += [PoseOfFile(f"{file.name}#{number}", pose) for number, pose in enumerate(poses, 1)]
    return poses_of_files


def files_in_order(path: Path, endings: Sequence[str]) -> list[Path]:
    """A file, or those of a folder with one of these endings, frame 9 before frame 10; or DataError without any."""
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in endings and file.is_file()]
        if not files:
            raise DataError(f"'{path}' is a folder with no file that ends in {', '.join(endings)}")
        return sorted(files, key=_numbers_of)
    if not path.exists():
        raise DataError(f"'{path}' does not exist; give a file that ends in {', '.join(endings)}, or a folder of them")
    return [path]


def _numbers_of(file: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split("([0-9]+)", file.name)]
