"""Do generated pictures help to recognise people? A small classifier of mannequins says so, whichever way it falls.

    python -m benchmarks.augmentation --out output/augmentation

Each person is known from one picture, from the front. The classifier is trained on these alone, on these and what
`augment` makes of them with the demo model, and, for what could be had at best, on these and as many true pictures. It
is tested on the same people from behind, in poses that occur nowhere else, each picture 22 pixels wide and in a light
of its own. Neither people nor poses are the demo model's own.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from cfld_modules.data.people import Person
from cfld_modules.demo_model import HEIGHT, WIDTH
from cfld_modules.evaluation.augment import AugmentSettings, augment
from cfld_modules.evaluation.demo import load_demo_pipeline
from cfld_modules.evaluation.identity_filter import clothes_confidence
from cfld_modules.evaluation.metrics import unit_tensor
from cfld_modules.mannequins.photograph import MannequinPhotograph, held_out_photograph

TEST_PICTURES = 4  # from behind
FIRST_ASKED, FIRST_TRUE, FIRST_TEST = 10_000, 20_000, 30_000  # pose numbers: generated, true, tested on
SHRINK = 8  # of the pictures' 176x256 pixels: somebody far from the camera
LIGHT = 0.3  # by how much a picture's red, green and blue are lighter or darker, each
TRAINING_STEPS, BATCH = 200, 32
SEEDS = (1, 2, 3)
TEST_SEED = 0


def photographs(people: int, pictures: int, first_pose: int) -> list[tuple[int, MannequinPhotograph]]:
    """(person, photograph) of each person in so many poses, all of them different."""
    return [
        (person, held_out_photograph(person, first_pose + person * pictures + number))
        for person in range(people) for number in range(pictures)
    ]  # fmt: skip


def from_behind(people: int, pictures: int, first_pose: int) -> list[tuple[int, MannequinPhotograph]]:
    """(person, photograph) of each person in so many poses that show the back, all of them different."""
    poses = (pose for pose in count(first_pose) if held_out_photograph(0, pose).view == "back")
    return [(person, held_out_photograph(person, next(poses))) for person in range(people) for _ in range(pictures)]


def drawn(labelled: Sequence[tuple[int, MannequinPhotograph]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (B, 3, H, W) in [0, 1] and who is on them."""
    pictures = [unit_tensor(photograph.draw(WIDTH, HEIGHT).image) for _, photograph in labelled]
    return torch.stack(pictures), torch.tensor([person for person, _ in labelled])


def generated(out: Path) -> tuple[torch.Tensor, torch.Tensor]:
    with open(out / "manifest.csv", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    pictures = [unit_tensor(np.array(Image.open(out / row["file"]))) for row in rows]
    return torch.stack(pictures), torch.tensor([int(row["person"]) - 1 for row in rows])


def classifier(people: int) -> nn.Module:
    layers: list[nn.Module] = []
    for inner, outer in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4 * 128, people))


def jittered(pictures: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """The usual augmentation, for all three alike: mirrored, moved by up to 8 pixels, in another light."""
    if torch.rand((), generator=random) < 0.5:
        pictures = pictures.flip(-1)
    shifts = torch.randint(-8, 9, (2,), generator=random).tolist()
    return lit(pictures.roll(shifts, dims=(2, 3)), random)


def lit(pictures: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Each picture in a light of its own colour."""
    light = 1 - LIGHT + 2 * LIGHT * torch.rand(len(pictures), 3, 1, 1, generator=random)
    return (pictures * light).clamp(0, 1)


def top_1(train: tuple[torch.Tensor, torch.Tensor], test: tuple[torch.Tensor, torch.Tensor], seed: int) -> float:
    """Share of `test` that a classifier trained on `train` gets right; as many steps whatever there is to train on."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    network = classifier(int(test[1].max()) + 1).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    for _ in range(TRAINING_STEPS):
        chosen = torch.randint(len(train[0]), (BATCH,), generator=random)
        found = network(small(jittered(train[0][chosen], random)))
        loss = functional.cross_entropy(found, train[1][chosen], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    seen = lit(test[0], torch.Generator().manual_seed(TEST_SEED))
    with torch.no_grad():
        return float((network.eval()(small(seen)).argmax(dim=1) == test[1]).float().mean())


def small(pictures: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(pictures, SHRINK) * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("output/augmentation"), help="for the set and the figures")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=4, help="made of each person (%(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of ddim (%(default)s)")
    arguments = parser.parse_args()

    fronts = [(person, held_out_photograph(person, 0)) for person in range(arguments.people)]
    people = [Person(photograph.name, [photograph]) for _, photograph in fronts]
    asked = [photograph for _, photograph in photographs(arguments.people, arguments.pictures, FIRST_ASKED)]
    settings = AugmentSettings(
        arguments.pictures, width=WIDTH, height=HEIGHT, fit="stretch", steps=arguments.steps, test_share=0,
    )  # fmt: skip
    summary = augment(load_demo_pipeline(), people, asked, clothes_confidence, arguments.out, settings)

    single, made = drawn(fronts), generated(arguments.out)
    true = drawn(photographs(arguments.people, arguments.pictures, FIRST_TRUE))
    test = drawn(from_behind(arguments.people, TEST_PICTURES, FIRST_TEST))
    sets = {
        "one picture": single,
        "one picture and the generated ones": tuple(map(torch.cat, zip(single, made, strict=True))),
        "one picture and as many true ones": tuple(map(torch.cat, zip(single, true, strict=True))),
    }
    scores = {name: [top_1(pictures, test, seed) for seed in SEEDS] for name, pictures in sets.items()}
    figures = {"set": summary, "tested on": len(test[0]), "top-1": scores}
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
