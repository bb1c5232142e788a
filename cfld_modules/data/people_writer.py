"""People as a data set in the layout of DeepFashion (docs/method.md, section 10), with silhouettes for testing."""

import json
import multiprocessing
import os
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..deepfashion_tables import annotation, new_tables
from ..people.bodies import body_model
from ..people.dressing import dress
from ..people.identities import sample_identity
from ..people.wardrobes import FolderWardrobe, HelperWardrobe
from ..photographs import check_photograph
from ..poses.framing import scale_pose
from ..studio.studio import Studio
from .pairs import Split
from .people_poses import FIRST_TEST_SEED, pose_of_seed

WIDTH, HEIGHT = 176, 256
"""Canvas of the key points, and of the pictures where no other height is asked for."""
TEST_POSES, TARGETS = 16, 4


@dataclass(frozen=True)
class Sitting:
    """What one process photographs at a time: a person in some poses."""

    garments: Path | None
    folder: Path
    split: Split
    person: int
    poses: tuple[int, ...]
    height: int


def write_people(
    out: Path, garments: Path | None, count: int, test_count: int = 50, pictures: int = 8, processes: int = 1,
    height: int = HEIGHT,
) -> int:
    """Write a data set of `count` people for training and `test_count` for testing -> how many pictures there are.

    {train,test}_highres/: pictures `height` pixels high, 176x256 (width x height) where it is 256,
    `person<seed>_pose<seed>.png`; what stands before the underscore names the person, and pose 0 of a split shows the
    front. A person of the training split has `pictures` poses that nobody else has; all people of the test split stand
    in the same 17, so that each has a truth to be told from.
    test_silhouettes/: how much of each pixel of a test picture is the person, under the same name.
    fasion-resize-annotation-{train,test}.csv: key points in whole pixels of 176x256, -1 where hidden.
    fasion-resize-pairs-{train,test}.csv: for training every ordered pair of a person's pictures, for testing the front
    with four of the 16 other poses, which go round among the people.

    The same numbers make the same bytes on one machine, with any number of processes. What exists already is kept.
    garments: folder of MakeHuman's assets (`wardrobes.FolderWardrobe`); without it people wear plain cuts.
    Raises ValueError for counts with which there would be no pairs and for pictures there of another height,
    GarmentError when the folder lacks a garment.
    """
    for name, value, least in (("count", count, 1), ("test_count", test_count, 1), ("pictures", pictures, 2)):
        if value < least:
            raise ValueError(f"People: {name} must be at least {least}, got {value}.")
    _check_height(out, height)
    own_poses = pictures - 1
    test_poses = tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + TEST_POSES + 1))
    own = [(0, *range(1 + person * own_poses, 1 + (person + 1) * own_poses)) for person in range(count)]
    sittings = [Sitting(garments, out, "train", person, poses, height) for person, poses in enumerate(own)] + [
        Sitting(garments, out, "test", FIRST_TEST_SEED + person, test_poses, height) for person in range(test_count)
    ]
    for folder in ("train_highres", "test_highres", "test_silhouettes", "key_points"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(processes, _quiet_process) as pool:
        rows_of_sittings = pool.imap(_photograph, sittings)
        people = list(tqdm(rows_of_sittings, "people", len(sittings), unit="person", disable=None))
    for split in ("train", "test"):
        split_rows = [rows for sitting, rows in zip(sittings, people, strict=True) if sitting.split == split]
        _write_tables(out, split, split_rows)
    return sum(map(len, people))


def _check_height(out: Path, height: int) -> None:
    picture = next((out / "train_highres").glob("*.png"), None)
    height_there = check_photograph(picture)[1] if picture else height
    if height_there != height:
        raise ValueError(
            f"People: '{out}' holds pictures {height_there} pixels high; choose another folder for {height}."
        )


def invited(garments: Path | None, person: int, width: int, height: int) -> Studio:
    """The studio with this person in it, dressed."""
    identity = sample_identity(person)
    shape = body_model().shape(identity.phenotypes)
    studio = _studio(width, height)
    studio.invite(shape, dress(identity, shape, FolderWardrobe(garments) if garments else HelperWardrobe()))
    return studio


@cache
def _studio(width: int, height: int) -> Studio:
    return Studio(width, height)


def _quiet_process() -> None:
    os.environ["LP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"


Row = tuple[str, str, str]


def _photograph(sitting: Sitting) -> list[Row]:
    """Write the pictures, and give the rows of the annotations."""
    names = [f"person{sitting.person:07d}_pose{pose:07d}" for pose in sitting.poses]
    rows_file = sitting.folder / "key_points" / f"{names[0]}.json"
    rows = [tuple(row) for row in json.loads(rows_file.read_text())] if rows_file.exists() else []
    if [row[0] for row in rows] == [f"{name}.png" for name in names]:
        return rows
    rows.clear()
    poses = [pose_of_seed(pose) for pose in sitting.poses]
    studio = invited(sitting.garments, sitting.person, round(sitting.height * WIDTH / HEIGHT), sitting.height)
    for name, pose in zip(names, poses, strict=True):
        photo = studio.photograph(pose)
        Image.fromarray(photo.image).save(sitting.folder / f"{sitting.split}_highres" / f"{name}.png")
        if sitting.split == "test":
            mask = (photo.silhouette * 255 + 0.5).astype(np.uint8)
            Image.fromarray(mask).save(sitting.folder / "test_silhouettes" / f"{name}.png")
        rows.append((f"{name}.png", *annotation(scale_pose(photo.pose, WIDTH, HEIGHT))))
    rows_file.write_text(json.dumps(rows))
    return rows


def _write_tables(out: Path, split: Split, people: list[list[Row]]) -> None:
    with new_tables(out, split) as (annotations, pairs):
        for number, rows in enumerate(people):
            annotations.writerows(rows)
            names = [row[0] for row in rows]
            if split == "train":
                pairs.writerows(permutations(names, 2))
            else:
                targets = [names[1 + (number * TARGETS + place) % TEST_POSES] for place in range(TARGETS)]
                pairs.writerows((names[0], target) for target in targets)
