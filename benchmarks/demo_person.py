"""Whom the demo opens with: of 50 unseen people in plain or colour-blocked clothes, whom the demo model moves best.

    python benchmarks/demo_person.py            # the ranking, and a sheet of the first five
    python benchmarks/demo_person.py --write    # and the first one into the demo's workflow

Each person is moved into the same poses with the workflow's settings. Only people count whose clothes are found again
in every pose; of them the one with the highest mean SSIM is chosen, and of the poses the one in which the SSIM exceeds
that of the source unchanged by most: a pose like the source's would show nothing.
Writes output/demo_person/demo_person.{json,md,png}. To be run again whenever the demo model's files change.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from report import write_report
from tqdm import tqdm

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK))

from cfld_modules.demo_model import HEIGHT, WIDTH  # noqa: E402
from cfld_modules.evaluation.demo import load_demo_pipeline  # noqa: E402
from cfld_modules.evaluation.generate import generate_pictures, transfer_sheet, truth_picture  # noqa: E402
from cfld_modules.evaluation.metrics import ssim  # noqa: E402
from cfld_modules.mannequins.identity import TextureKind, sample_identity  # noqa: E402
from cfld_modules.mannequins.photograph import MannequinPhotograph, held_out_photograph  # noqa: E402
from cfld_modules.mannequins.scores import score_mannequin  # noqa: E402
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline  # noqa: E402

PEOPLE, POSES = range(50), range(1, 9)
STEPS, SEED = 4, 3407  # the workflow's
TEXTURES: tuple[TextureKind, ...] = ("plain", "blocks")
SHOWN = 5
PERSON = "CFLDDemoPerson"
WORKFLOW = PACK / "workflows" / "1 Start here - pose transfer, reposing.json"
TWIN = PACK / "workflows" / "api" / "demo_no_downloads.json"
# Who and how in a node of either.
WIDGETS = re.compile(rf'("type": "{PERSON}".*?"widgets_values": \[)\d+(, )(\d+)')
INPUTS = re.compile(rf'("class_type": "{PERSON}",\s*"inputs": \{{\s*"person": )\d+(,\s*"pose": )(\d+)')


@dataclass(frozen=True)
class PoseScore:
    """`gain`: by how much the SSIM exceeds that of the source unchanged."""

    ssim: float
    gain: float
    silhouette: float
    retrieved: bool


@dataclass(frozen=True)
class Ranked:
    person: int
    poses: dict[int, PoseScore]

    def mean(self, score: str) -> float:
        return float(np.mean([getattr(pose, score) for pose in self.poses.values()]))

    @property
    def best_pose(self) -> int:
        return max(self.poses, key=lambda pose: self.poses[pose].gain)


def is_plainly_dressed(person: int) -> bool:
    identity = sample_identity(held_out_photograph(person, 0).identity_seed)
    return all(garment.texture.kind in TEXTURES for garment in identity.garments)


def pairs_of(people: Sequence[int], pose: int) -> list[tuple[MannequinPhotograph, MannequinPhotograph]]:
    return [(held_out_photograph(person, 0), held_out_photograph(person, pose)) for person in people]


def move(pipeline: CFLDPipeline, people: Sequence[int], pose: int) -> list[np.ndarray]:
    return generate_pictures(pipeline, pairs_of(people, pose), "pad", WIDTH, HEIGHT, steps=STEPS, seed=SEED)


def rank(pipeline: CFLDPipeline, people: Sequence[int]) -> list[Ranked]:
    """The best first; a pose at a time, since all people in it are drawn to tell them apart."""
    everybody = [held_out_photograph(person, 0).identity_seed for person in people]
    scores: dict[int, dict[int, PoseScore]] = {person: {} for person in people}
    for pose in tqdm(POSES, unit="pose"):
        results = move(pipeline, people, pose)
        for person, (source, target), result in zip(people, pairs_of(people, pose), results, strict=True):
            truth = truth_picture(target, "pad", WIDTH, HEIGHT)
            drawn = score_mannequin(result, truth, target, everybody)
            similar = ssim(result, truth)
            gain = similar - ssim(truth_picture(source, "pad", WIDTH, HEIGHT), truth)
            scores[person][pose] = PoseScore(similar, gain, drawn.silhouette_iou, drawn.retrieved)
    ranked = [Ranked(person, scores[person]) for person in people]
    return sorted(ranked, key=lambda one: (one.mean("retrieved") == 1, one.mean("ssim")), reverse=True)


def write_choice(person: int, pose: int) -> None:
    """Into every Demo Person of the demo's workflow and its API twin; pose 0, the front, stays."""
    for file, place in ((WORKFLOW, WIDGETS), (TWIN, INPUTS)):
        text = file.read_text(encoding="utf-8")
        file.write_text(place.sub(lambda m: f"{m[1]}{person}{m[2]}{pose if int(m[3]) else 0}", text), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("output/demo_person"))
    parser.add_argument("--write", action="store_true", help="also write the choice into the demo's workflow")
    options = parser.parse_args()
    candidates = [person for person in PEOPLE if is_plainly_dressed(person)]
    pipeline = load_demo_pipeline()
    ranked = rank(pipeline, candidates)
    rows = [
        {"person": one.person, "ssim": one.mean("ssim"), "silhouette": one.mean("silhouette"),
         "found again": one.mean("retrieved"), "best pose": one.best_pose, "its ssim": one.poses[one.best_pose].ssim,
         "its gain": one.poses[one.best_pose].gain}
        for one in ranked
    ]
    notes = f"{len(candidates)} of {len(PEOPLE)} people are plainly dressed; {len(POSES)} poses each, {STEPS} steps."
    report = options.out / "demo_person"
    write_report(report, "Whom the demo opens with", "python benchmarks/demo_person.py", rows, notes)
    pairs, results = [], []
    for one in ranked[:SHOWN]:
        pairs += pairs_of([one.person], one.best_pose)
        results += move(pipeline, [one.person], one.best_pose)
    transfer_sheet(pairs, results, "pad", WIDTH, HEIGHT, 2).save(report.with_suffix(".png"))
    best = ranked[0]
    sys.stdout.write(json.dumps({"person": best.person, "pose": best.best_pose, "ssim": best.mean("ssim")}) + "\n")
    if options.write:
        write_choice(best.person, best.best_pose)


if __name__ == "__main__":
    main()
