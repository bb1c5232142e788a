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
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
        people = sorted({self._person(file) for file in self._files(*ENDINGS)})
        test_people = set(people[::TEST_STRIDE])
        photographs = self._photographs(lambda person: (person in test_people) == (split == "test"))
        places = sorted(range(len(photographs)), key=lambda place: self._person(photographs[place].path))
        groups = groupby(places, key=lambda place: self._person(photographs[place].path))
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
        for photograph in self._photographs(lambda person: True):
            number = person_of(photograph.path.name)
            if number is None or number > 0:  # Market-1501's pictures of nobody are 0 and -1
                groups.setdefault(self._person(photograph.path), []).append(photograph)
        if not groups:
            raise DataError(f"'{self.root}' has no usable picture")
        return [Person(name, groups[name]) for name in sorted(groups)]

    def _photographs(self, takes_person: Callable[[str], bool]) -> list[PhotographFile]:
        self._log_endings()
        files = [file for file in self._files(*ENDINGS) if takes_person(self._person(file))]
        key_points = {file.with_suffix(""): file for file in self._files(KEY_POINTS)}
        photographs: list[PhotographFile] = []
        for file, size in zip(files, photograph_sizes(files), strict=True):
            with usable_row(f"'{file}'", self.bad_rows):
                photographs.append(self._photograph(file, _key_points_of(file, key_points), *size()))
        return photographs

    def _files(self, *endings: str) -> list[Path]:
        """Of these endings; of any, where none is given."""
        if not self.root.is_dir():
            raise DataError(f"'{self.root}' is no folder")
        files = (file for file in self.root.rglob("*") if not file.is_dir())
        return sorted(file for file in files if not endings or file.suffix.lower() in endings)

    def _log_endings(self) -> None:
        files = self._files()
        pictures = _counted(file for file in files if file.suffix.lower() in ENDINGS)
        others = _counted(file for file in files if file.suffix.lower() not in (*ENDINGS, KEY_POINTS))
        logger.info("'%s': pictures: %s; not read: %s", self.root, pictures, others)

    def _person(self, file: Path) -> str:
        place = file.relative_to(self.root)
        return place.parts[0] if len(place.parts) > 1 else place.stem.split("_")[0]

    def _photograph(self, file: Path, key_points: Path | None, width: int, height: int) -> PhotographFile:
        if key_points is None:
            raise DataError(f"its key points are missing; put them into {file.stem}.json beside it")
        pose, *others = parse_pose_json(key_points.read_bytes(), (width, height))
        if others:
            raise DataError(f"{key_points.name} has {len(others) + 1} frames for one picture; leave only the picture's")
        check_aspect(pose, width, height, ASPECT_TOLERANCE)
        return PhotographFile(str(file.relative_to(self.root)), file, pose)


def _key_points_of(picture: Path, files: Mapping[Path, Path]) -> Path | None:
    """Of files of key points by their path without ending the picture's: of the same name, or as OpenPose names it."""
    stem = picture.with_suffix("")
    return files.get(stem) or files.get(stem.with_name(f"{stem.name}_keypoints"))


def _counted(files: Iterable[Path]) -> str:
    """'6 .jpg, 2 .heic', or 'none'."""
    counts = Counter(file.suffix.lower() or file.name for file in files)
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common()) or "none"
