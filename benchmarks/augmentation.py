"""Do generated pictures help to recognise people? A small classifier of people says so, whichever way it falls.

    python -m benchmarks.augmentation --data output/people --out output/augmentation

The people are those whom `data people` puts aside for tests, who all stand in the same poses. Each is known from one
picture, from the front. The classifier is trained on these alone, on these and what `augment` makes of them with the
demo model, and, for what could be had at best, on these and as many true pictures. It is tested on the same people from
behind, in poses that occur nowhere else, each picture 22 pixels wide and in a light of its own. Neither people nor
poses are the demo model's own.
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.pairs import Photograph
from cfld_modules.data.people import Person
from cfld_modules.demo_model import HEIGHT, WIDTH
from cfld_modules.evaluation.augment import AugmentSettings, augment
from cfld_modules.evaluation.demo import load_demo_pipeline
from cfld_modules.evaluation.generate import truth_picture
from cfld_modules.evaluation.ground_truth import pose_name
from cfld_modules.evaluation.identity_filter import clothes_confidence
from cfld_modules.evaluation.metrics import unit_tensor

SHRINK = 8  # of the pictures' 176x256 pixels: somebody far from the camera
LIGHT = 0.3  # by how much a picture's red, green and blue are lighter or darker, each
TRAINING_STEPS, BATCH = 200, 32
SEEDS = (1, 2, 3)
TEST_SEED = 0


FACE, SHOULDERS = [0, 14, 15], [2, 5]
People = Sequence[Mapping[str, Photograph]]  # of each, in which pose


def people_of(data: Path, most: int) -> People:
    """The first people of the test split."""
    people: dict[str, dict[str, Photograph]] = {}
    for photograph in DeepFashionData("deepfashion", data).pairs("test").photographs:
        people.setdefault(photograph.name.split("_")[0], {})[pose_name(photograph)] = photograph
    return list(people.values())[:most]


def poses_by_use(people: People) -> dict[str, list[str]]:
    """The front that all are known from; of the others those that show most people's backs, to be tested on; and of the
    rest every second one for either of the other two uses.
    """
    front, *others = people[0]
    behind = [pose for pose in others if np.mean([shows_back(person[pose]) for person in people]) > 0.5]
    rest = [pose for pose in others if pose not in behind]
    return {"known": [front], "asked": rest[::2], "true": rest[1::2], "tested": behind}


def shows_back(photograph: Photograph) -> bool:
    pose = photograph.pose()
    right, left = pose.points[SHOULDERS, 0]
    return not pose.visible[FACE].any() and bool(right > left)


def chosen(people: People, poses: Sequence[str], pictures: int) -> list[tuple[int, Photograph]]:
    """(person, photograph) of each person in so many of the poses, which go round among the people."""
    count = min(pictures, len(poses))
    return [
        (number, person[poses[(number * count + place) % len(poses)]])
        for number, person in enumerate(people) for place in range(count)
    ]


def shown(labelled: Sequence[tuple[int, Photograph]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (B, 3, H, W) in [0, 1] and who is on them."""
    pictures = [unit_tensor(truth_picture(photograph, "stretch", WIDTH, HEIGHT)) for _, photograph in labelled]
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
    parser.add_argument("--data", type=Path, required=True, help="folder of 'data people'")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=4, help="made of each person (%(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of ddim (%(default)s)")
    arguments = parser.parse_args()

    everybody = people_of(arguments.data, arguments.people)
    uses = poses_by_use(everybody)
    fronts = chosen(everybody, uses["known"], 1)
    people = [Person(photograph.name, [photograph]) for _, photograph in fronts]
    asked = [photograph for _, photograph in chosen(everybody, uses["asked"], arguments.pictures)]
    settings = AugmentSettings(
        arguments.pictures, width=WIDTH, height=HEIGHT, fit="stretch", steps=arguments.steps, test_share=0,
    )  # fmt: skip
    summary = augment(load_demo_pipeline(), people, asked, clothes_confidence, arguments.out, settings)

    single, made = shown(fronts), generated(arguments.out)
    true = shown(chosen(everybody, uses["true"], arguments.pictures))
    test = shown(chosen(everybody, uses["tested"], arguments.pictures))
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
