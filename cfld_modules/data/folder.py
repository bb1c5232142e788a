"""A plain folder of people: pictures, and beside each its key points as JSON of the same name.

    anna/beach.jpg  anna/beach.json          or          anna_beach.jpg  anna_beach.json
    anna/party.jpg  anna/party.json                      anna_party.jpg  anna_party.json

Who is in a picture is the name of its subfolder, or, for a picture in the folder itself, what stands before the first
underscore of its name. Any dialect of POSE_KEYPOINT will do (see `dialects`), on the picture as one sees it, turned
upright where the camera noted so; a file without a size, as OpenPose writes beach_keypoints.json, takes the picture's.
Of several people it is the chosen one, else the largest. All pictures of a person make pairs with each other, both ways
round. Every tenth person by name, the first one among them, is kept for testing. How many files of which ending are
read, and how many are not, is logged.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, permutations
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..photographs import ENDINGS
from ..poses.framing import ASPECT_TOLERANCE, Fit
from ..poses.reading import parse_pose_json
from .pairs import BadRows, Pairs, PhotographFile, Split, check_aspect, photograph_sizes, usable_row
from .people import Person
from .reid import person_of

KEY_POINTS = ".json"
TEST_STRIDE = 10

logger = logging.getLogger("cfld")


@dataclass(frozen=True)
class FolderData:
    """A folder as the module describes it; `fit` brings pictures of any aspect to the frame's."""

    format: Literal["folder"]
    root: Path
    fit: Fit = "pad"
    bad_rows: BadRows = "error"

    def pairs(self, split: Split) -> Pairs:
        """Raises DataError, also when nobody of the split has two pictures."""
        names = self._names()
        people = sorted({_person_in(name) for name in names if _ending(name) in ENDINGS})
        test_people = set(people[::TEST_STRIDE])
        photographs = self._photographs(names, lambda person: (person in test_people) == (split == "test"))
        shown = [_person_in(photograph.name) for photograph in photographs]
        groups = groupby(sorted(range(len(photographs)), key=shown.__getitem__), key=shown.__getitem__)
        pairs = [pair for _, group in groups for pair in permutations(group, 2)]
        if not pairs:
            raise DataError(
                f"'{self.root}' has {len(people)} people, and for {split}ing nobody with two usable pictures; people "
                "are told apart by subfolder, or by what stands before the first underscore"
            )
        return Pairs(photographs, pairs, self.fit)

    def people(self) -> list[Person]:
        """Everybody of both splits, those with a single picture, too. Raises DataError when there is nobody."""
        groups: dict[str, list[PhotographFile]] = {}
        for photograph in self._photographs(self._names(), lambda person: True):
            number = person_of(photograph.path.name)
            if number is None or number > 0:  # Market-1501's pictures of nobody are 0 and -1
                groups.setdefault(_person_in(photograph.name), []).append(photograph)
        if not groups:
            raise DataError(f"'{self.root}' has no usable picture")
        return [Person(name, groups[name]) for name in sorted(groups)]

    def _photographs(self, names: Sequence[str], takes_person: Callable[[str], bool]) -> list[PhotographFile]:
        pictures = [name for name in names if _ending(name) in ENDINGS]
        others = [name for name in names if _ending(name) not in (*ENDINGS, KEY_POINTS)]
        logger.info("'%s': pictures: %s; not read: %s", self.root, _counted(pictures), _counted(others))
        key_points = {os.path.splitext(name)[0]: name for name in names if _ending(name) == KEY_POINTS}
        pictures = [name for name in pictures if takes_person(_person_in(name))]
        photographs: list[PhotographFile] = []
        for name, size in zip(pictures, photograph_sizes([self.root / name for name in pictures]), strict=True):
            with usable_row(f"'{self.root / name}'", self.bad_rows):
                stem = os.path.splitext(name)[0]
                key_points_name = key_points.get(stem) or key_points.get(f"{stem}_keypoints")  # as OpenPose names it
                photographs.append(self._photograph(name, key_points_name, *size.result()))
        return photographs

    def _names(self) -> list[str]:
        """Of all files in the folder and below, relative to it, in order."""
        if not self.root.is_dir():
            raise DataError(f"'{self.root}' is no folder")
        names: list[str] = []
        for folder, _, files in os.walk(self.root):
            below = os.path.relpath(folder, self.root)
            names += files if below == os.curdir else [os.path.join(below, file) for file in files]
        return sorted(names, key=lambda name: name.split(os.sep))

    def _photograph(self, name: str, key_points: str | None, width: int, height: int) -> PhotographFile:
        if key_points is None:
            raise DataError(f"its key points are missing; put them into {Path(name).stem}.json beside it")
        pose, *others = parse_pose_json((self.root / key_points).read_bytes(), (width, height))
        if others:
            raise DataError(
                f"{Path(key_points).name} has {len(others) + 1} frames for one picture; leave only the picture's"
            )
        check_aspect(pose, width, height, ASPECT_TOLERANCE)
        return PhotographFile(name, self.root / name, pose)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _person_in(name: str) -> str:
    """Whom a picture shows, by its name below the folder."""
    folder, separator, _ = name.partition(os.sep)
    return folder if separator else Path(name).stem.split("_")[0]


def _counted(names: Iterable[str]) -> str:
    """'6 .jpg, 2 .heic', or 'none'."""
    counts = Counter(_ending(name) or os.path.basename(name) for name in names)
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common()) or "none"
