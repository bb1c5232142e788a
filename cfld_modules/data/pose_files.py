"""Poses of files, to be asked for in the place of a data set's own."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Every frame of every file, in any dialect of POSE_KEYPOINT.

    Raises:
        DataError: naming the file that cannot be read.
    """
    found = []
    for file in files:
        try:
            poses = parse_pose_json(file.read_bytes())
        except (OSError, PoseError) as error:
            raise DataError(f"'{file}': {error}") from error
        found += [PoseOfFile(f"{file.name}#{number}", pose) for number, pose in enumerate(poses, 1)]
    return found
