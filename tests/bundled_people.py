"""The bundled people as data sets, also with a training split, for tests that train on few pictures."""

import csv
import shutil
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.pairs import Pairs
from cfld_modules.deepfashion_tables import new_tables
from cfld_modules.demo_people import FOLDER, PICTURES, POSES, SILHOUETTES, photo_name


def held_out_pairs() -> Pairs:
    """Of all twelve the front with each of the seven other poses."""
    return DeepFashionData("deepfashion", FOLDER).pairs("test")


def own_poses(person: int, pictures: int) -> list[int]:
    """Which of a person's poses a training split shows: as far as there are enough, others than the people before."""
    return [(person * pictures + number) % POSES for number in range(pictures)]


def training_pairs(people: int, pictures: int) -> Pairs:
    """Of the first people in `own_poses` all ordered pairs, read where they lie."""
    by_name = {photograph.name: photograph for photograph in held_out_pairs().photographs}
    names = [photo_name(person, pose) for person in range(people) for pose in own_poses(person, pictures)]
    firsts = range(0, len(names), pictures)
    places = [pair for first in firsts for pair in permutations(range(first, first + pictures), 2)]
    return Pairs([by_name[name] for name in names], places)


def write_people(folder: Path, people: int, test_people: int, pictures: int) -> None:
    """A data set as `data people` writes it: the first people for training, in poses of their own; the next for tests,
    all in the same poses, with silhouettes.
    """
    train = [[photo_name(person, pose) for pose in own_poses(person, pictures)] for person in range(people)]
    test = [[photo_name(people + person, pose) for pose in range(pictures)] for person in range(test_people)]
    (folder / "test_silhouettes").mkdir(parents=True)
    for split, names_by_person in (("train", train), ("test", test)):
        _write_split(folder, split, names_by_person)
    for name in sum(test, []):
        shutil.copy(SILHOUETTES / name, folder / "test_silhouettes" / name)


def _write_split(folder: Path, split: str, names_by_person: Sequence[list[str]]) -> None:
    (folder / f"{split}_highres").mkdir()
    with open(FOLDER / "fasion-resize-annotation-test.csv", newline="") as lines:
        rows = {row[0]: row for row in csv.reader(lines, delimiter=":")}
    with new_tables(folder, split) as (annotations, pairs):
        for names in names_by_person:
            for name in names:
                shutil.copy(PICTURES / name, folder / f"{split}_highres" / name)
                annotations.writerow(rows[name])
            ordered = list(permutations(names, 2))
            pairs.writerows(ordered if split == "train" else ordered[: len(names) - 1])
