"""Pairs of mannequins that are drawn when they are asked for, with no file anywhere."""

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from ..mannequins.benchmark import split_seeds
from ..mannequins.photograph import MannequinPhotograph
from ..mannequins.skeleton import sample_pose
from .pairs import Pairs, Split


@dataclass(frozen=True)
class MannequinData:
    """`people` mannequins, each in `pictures` poses; of each person all ordered pairs."""

    format: Literal["mannequins"]
    people: int
    pictures: int = 5

    def pairs(self, split: Split) -> Pairs:
        poses = iter(split_seeds(split, self.people * self.pictures))
        photographs = []
        for identity in split_seeds(split, self.people):
            for number in range(self.pictures):
                pose = next(poses)
                view = "front" if number == 0 else sample_pose(pose).view
                photographs.append(MannequinPhotograph(identity, pose, view))
        firsts = range(0, len(photographs), self.pictures)
        pairs = [pair for first in firsts for pair in permutations(range(first, first + self.pictures), 2)]
        return Pairs(photographs, pairs)
