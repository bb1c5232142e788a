"""Sets for person re-identification: the folders and file names that readers of Market-1501 and DukeMTMC expect."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

logger = logging.getLogger("cfld")
FOLDERS = TRAIN, GALLERY, QUERY = "bounding_box_train", "bounding_box_test", "query"


@dataclass(frozen=True)
class ReIDLayout:
    """How a set names its files.

    largest: the greatest number a person may have; readers stop at another.
    cameras: numbered from 1.
    pattern: of a file's name, with person, camera, sequence and frame.
    """

    name: str
    largest: int
    cameras: int
    pattern: str

    def file_name(self, person: int, sequence: int, frame: int) -> str:
        """Of a picture, `sequence` and `frame` counted from 0: each frame is another camera's, in turn."""
        camera = frame % self.cameras + 1
        return self.pattern.format(person=person, camera=camera, sequence=sequence + 1, frame=frame + 1)


MARKET = ReIDLayout("market1501", 1501, 6, "{person:04d}_c{camera}s{sequence}_{frame:06d}_00.jpg")
# No reader looks at more than person and camera, so the sequence leads the frame's number.
DUKE = ReIDLayout("dukemtmc", 10**9, 8, "{person:04d}_c{camera}_f{sequence:02d}{frame:05d}.jpg")


def layout_for(numbers: Sequence[int]) -> ReIDLayout:
    """Market-1501's, or DukeMTMC's where a person's number is beyond it."""
    return MARKET if max(numbers) <= MARKET.largest else DUKE


def person_of(name: str) -> int | None:
    """The number of whom a photograph shows, by its name in these sets: 0 and -1 are nobody's; None of other names."""
    match = re.match(r"(-1|\d+)_c\d", name)
    return int(match[1]) if match else None


def person_numbers(names: Sequence[str]) -> list[int]:
    """The people's own numbers where all are named by one, or as these sets name their photographs, else 1, 2, 3, ...

    So what is made of such a set can be laid beside it.
    """
    numbers = [int(name) if re.fullmatch(r"\d+", name) else person_of(name) for name in names]
    known = [number for number in numbers if number is not None and number > 0]
    if len(set(known)) == len(names):
        return known
    if known:
        logger.warning("%d of %d people have a number of their own; all are numbered from 1 on", len(known), len(names))
    return list(range(1, len(names) + 1))
