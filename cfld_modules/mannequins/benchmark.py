"""Mannequins, drawn people with ground truth for measuring pose transfer: their splits and their data set.

Any identity can be drawn in any pose, so that a true picture exists for every transfer:

    draw_mannequin(sample_identity(7), sample_pose(12)).image

The parts: who (`identity.sample_identity`), how they stand (`skeleton.sample_pose`), the solid shapes that this makes
(`body`, `head`, `shapes`), what is painted on them (`textures`), and the picture (`drawing`). This module divides the
seeds into splits and writes a data set in the layout of DeepFashion (docs/method.md, section 10).
"""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..deepfashion_tables import annotation, new_tables
from .drawing import Mannequin, draw_mannequin
from .identity import sample_identity
from .skeleton import sample_pose

Split = Literal["train", "test"]

# Seeds from here on, of identities and of poses, belong to the test split.
FIRST_TEST_SEED = 1_000_000_000


def split_seeds(split: Split, count: int) -> range:
    """The first `count` seeds of a split, for identities and for poses alike; no seed is in both splits.

    Raises ValueError for more than a split has, 10^9.
    """
    if not 0 <= count <= FIRST_TEST_SEED:
        raise ValueError(f"A split has {FIRST_TEST_SEED} seeds, got a count of {count}; ask for no more than it has.")
    first = FIRST_TEST_SEED if split == "test" else 0
    return range(first, first + count)


def write_mannequins(out: Path, count: int, test_count: int = 50, pictures: int = 5) -> None:
    """Writes a data set of `count` people for training and `test_count` for testing, each in `pictures` poses.

    train_highres/, test_highres/: the pictures, 176x256 (width x height),
    `mannequin<identity seed>_pose<pose seed>_<view>.png`: what stands before the first underscore names the person, and
    `sample_pose(pose seed, view)` is the pose. The first picture of each person shows the front.
    test_silhouettes/: 255 where the person is, 0 elsewhere, under the names of the test pictures.
    fasion-resize-annotation-{train,test}.csv: key points in whole pixels, -1 where hidden.
    fasion-resize-pairs-{train,test}.csv: for training every ordered pair of a person's pictures, for testing the first
    picture with each of the others.

    Raises ValueError for counts with which there would be no pairs.
    """
    for name, value, least in (("count", count, 1), ("test_count", test_count, 1), ("pictures", pictures, 2)):
        if value < least:
            raise ValueError(f"Mannequins: {name} must be at least {least}, got {value}.")
    with tqdm(total=(count + test_count) * pictures, desc="mannequins", unit="picture", disable=None) as progress:
        _write_split(out, "train", count, pictures, progress)
        _write_split(out, "test", test_count, pictures, progress)


def _write_split(out: Path, split: Split, people: int, pictures: int, progress: tqdm) -> None:
    images, silhouettes = out / f"{split}_highres", out / "test_silhouettes"
    for folder in (images, silhouettes):
        folder.mkdir(parents=True, exist_ok=True)
    pose_seeds = iter(split_seeds(split, people * pictures))
    with new_tables(out, split) as (annotations, pairs):
        for seed in split_seeds(split, people):
            names = []
            for name, mannequin in _draw_person(seed, [next(pose_seeds) for _ in range(pictures)]):
                Image.fromarray(mannequin.image).save(images / name)
                if split == "test":
                    Image.fromarray(mannequin.silhouette.astype(np.uint8) * 255).save(silhouettes / name)
                annotations.writerow((name, *annotation(mannequin.pose)))
                names.append(name)
                progress.update()
            ordered = list(permutations(names, 2))
            pairs.writerows(ordered if split == "train" else ordered[: pictures - 1])


def _draw_person(identity_seed: int, pose_seeds: list[int]) -> Iterator[tuple[str, Mannequin]]:
    """File names and drawings of one person, from the front in the first."""
    identity = sample_identity(identity_seed)
    for number, pose_seed in enumerate(pose_seeds):
        pose = sample_pose(pose_seed, "front" if number == 0 else None)
        name = f"mannequin{identity_seed:010d}_pose{pose_seed:010d}_{pose.view}.png"
        yield name, draw_mannequin(identity, pose)
