"""A plain folder of people: pictures, and beside each its key points as JSON of the same name.

    anna/beach.jpg  anna/beach.json          or          anna_beach.jpg  anna_beach.json
    anna/party.jpg  anna/party.json                      anna_party.jpg  anna_party.json

Who is in a picture is the name of its subfolder, or, for a picture in the folder itself, what stands before the first
underscore of its name. Any dialect of POSE_KEYPOINT will do (see `dialects`). All pictures of a person make pairs
with each other, both ways round. Every tenth person by name, the first one among them, is kept for testing.
"""

from dataclasses import dataclass
from itertools import groupby, permutations
from pathlib import Path
from typing import Literal

from ..poses.framing import Fit
from ..poses.reading import parse_pose_json
from .pairs import BadRows, DataError, Pairs, PhotographFile, Split, usable_row

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
TEST_STRIDE = 10


@dataclass(frozen=True)
class FolderData:
    """A folder as the module describes it; `fit` brings pictures of any aspect to the frame's."""

    format: Literal["folder"]
    root: Path
    fit: Fit = "pad"
    bad_rows: BadRows = "error"

    def pairs(self, split: Split) -> Pairs:
        """Raises DataError, also when nobody of the split has two pictures."""
        if not self.root.is_dir():
            raise DataError(f"'{self.root}' is no folder")
        files = sorted(file for file in self.root.rglob("*") if file.suffix.lower() in PICTURES)
        people = sorted({self._person(file) for file in files})
        held_out = set(people[::TEST_STRIDE])
        photographs: list[PhotographFile] = []
        for file in files:
            if (self._person(file) in held_out) == (split == "test"):
                with usable_row(f"'{file}'", self.bad_rows):
                    photographs.append(self._photograph(file))
        places = sorted(range(len(photographs)), key=lambda place: self._person(photographs[place].path))
        groups = groupby(places, key=lambda place: self._person(photographs[place].path))
        pairs = [pair for _, group in groups for pair in permutations(group, 2)]
        if not pairs:
            raise DataError(
                f"'{self.root}' has {len(people)} people, and for {split}ing nobody with two usable pictures; people "
                "are told apart by subfolder, or by what stands before the first underscore"
            )
        return Pairs(photographs, pairs, self.fit)

    def _person(self, file: Path) -> str:
        place = file.relative_to(self.root)
        return place.parts[0] if len(place.parts) > 1 else place.stem.split("_")[0]

    def _photograph(self, file: Path) -> PhotographFile:
        key_points = file.with_suffix(".json")
        if not key_points.is_file():
            raise DataError(f"its key points are missing; put them into {key_points.name} beside it")
        pose = parse_pose_json(key_points.read_bytes())[0]
        return PhotographFile(str(file.relative_to(self.root)), file, pose)
