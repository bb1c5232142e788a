"""Photographs of mannequins, named by their seeds and drawn when they are asked for, with no file anywhere."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from ..poses.keypoints import Pose
from .benchmark import FIRST_TEST_SEED
from .drawing import Mannequin, draw_mannequin
from .identity import sample_identity
from .skeleton import View, sample_pose

WIDTH, HEIGHT = 176, 256


@dataclass(frozen=True)
class MannequinPhotograph:
    """A mannequin by its seeds; its name is the one that `write_mannequins` gives the file of the same picture."""

    identity_seed: int
    pose_seed: int
    view: View

    @property
    def name(self) -> str:
        return f"mannequin{self.identity_seed:010d}_pose{self.pose_seed:010d}_{self.view}.png"

    def picture(self) -> np.ndarray:
        return self.draw().image

    def pose(self) -> Pose:
        return self.draw().pose

    def draw(self, width: int = WIDTH, height: int = HEIGHT) -> Mannequin:
        return _draw(self, width, height)

    def as_person(self, identity_seed: int) -> "MannequinPhotograph":
        """Somebody else in the same pose."""
        return MannequinPhotograph(identity_seed, self.pose_seed, self.view)


def held_out_photograph(person: int, pose: int) -> MannequinPhotograph:
    """A mannequin of the test split by the numbers, from 0, of who and of how; pose 0 shows the front."""
    identity_seed, pose_seed = FIRST_TEST_SEED + person, FIRST_TEST_SEED + pose
    return MannequinPhotograph(identity_seed, pose_seed, "front" if pose == 0 else sample_pose(pose_seed).view)


def parse_mannequin_name(name: str) -> MannequinPhotograph | None:
    """The mannequin that a file of `write_mannequins` shows; None if the name is not of that form."""
    match = re.fullmatch(r"mannequin(\d+)_pose(\d+)_(\w+)\.png", name)
    return MannequinPhotograph(int(match[1]), int(match[2]), cast(View, match[3])) if match else None


@lru_cache(maxsize=16)
def _draw(photograph: MannequinPhotograph, width: int, height: int) -> Mannequin:
    identity, pose = sample_identity(photograph.identity_seed), sample_pose(photograph.pose_seed, photograph.view)
    return draw_mannequin(identity, pose, width, height)
