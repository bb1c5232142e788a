"""Does a photo's own texture help? CFLD alone, begun from Warp Person's picture, with its pixels pasted over, upscaled.

    python -m benchmarks.warping --data FOLDER --base FOLDER --cfld FILE --lora FILE --blazepose FOLDER --out FOLDER

On a data set of `data people`; every way has two or three rows a picture. Colour errors are mean absolute differences
from the truth, of 255, within its silhouette: where the photo shows the person (covered), and elsewhere (unseen).
Writes warping.json, warping.md and sheet.png.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from cfld_modules.checkpoints.blazepose_file import load_blazepose
from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.pairs import Pairs, PhotographFile
from cfld_modules.demo_model import HEIGHT, UPSCALER_FILE, WIDTH
from cfld_modules.evaluation.generate import truth_picture
from cfld_modules.evaluation.ground_truth import exact_silhouette, galleries, pose_name, score_against_truth
from cfld_modules.evaluation.judge import judge_picture
from cfld_modules.evaluation.metrics import ssim
from cfld_modules.evaluation.models import load_pipeline, load_upscaler
from cfld_modules.evaluation.sheet import contact_sheet
from cfld_modules.evaluation.textured import pasted, sample_unguided, seeded_noise
from cfld_modules.poses.body_parts import TRUNK, body_parts
from cfld_modules.poses.detection.detector import Detector
from cfld_modules.poses.framing import frame_pose, scale_pose
from cfld_modules.poses.lifting import lift
from cfld_modules.poses.warping import Warped, warp_person

SEEDS, BATCH, SHEET_PAIRS = (0, 1), 10, 20
STEPS = {1.0: 2, 0.7: 3}  # by denoise
TURNS = {"0 to 45": (0, 45), "45 to 90": (45, 90), "beyond": (90, 181)}
FEATHER = 1  # pixels of a pasted edge


@dataclass(frozen=True)
class Way:
    """denoise: 1 is from pure noise; is_pasted: the photo's pixels lie over the result; is_upscaled: it comes by
    way of the demo model's upscaler.
    """

    denoise: float
    is_pasted: bool = False
    is_upscaled: bool = False


WAYS = {
    "CFLD": Way(1), "start at 0.7": Way(0.7), "pasted": Way(1, is_pasted=True),
    "start at 0.7, pasted": Way(0.7, is_pasted=True),
    "upscaled, pasted": Way(1, is_pasted=True, is_upscaled=True),
}
TRUTH, SOURCE = "the truth", "the photo unchanged"


def has_trunk(photograph: PhotographFile) -> bool:
    """Else Warp Person refuses the pose."""
    return body_parts(lift(photograph.pose()))[TRUNK] is not None


def warped_pair(source: PhotographFile, target: PhotographFile) -> tuple[Warped, float]:
    """At the model's size, and by how many degrees the trunk turns."""
    photo = torch.from_numpy(source.picture()) / 255
    mask = torch.from_numpy(exact_silhouette(source, (photo.shape[1], photo.shape[0]))).float()
    there, here = lift(source.pose()), lift(scale_pose(frame_pose(target.pose(), "pad"), WIDTH, HEIGHT))
    fronts = [body_parts(space)[TRUNK].front[0] for space in (there, here)]
    turn = abs((fronts[1] - fronts[0] + np.pi) % (2 * np.pi) - np.pi)
    return warp_person(photo, there, here, mask), float(np.degrees(turn))


def picture(photograph: PhotographFile) -> np.ndarray:
    return truth_picture(photograph, "pad", WIDTH, HEIGHT)


def scores(
    result: np.ndarray, target: PhotographFile, start: Warped, people: list[PhotographFile], detector: Detector
) -> dict[str, float]:
    truth = picture(target)
    exact = exact_silhouette(target, (WIDTH, HEIGHT))
    covered = start.covered.numpy() & exact
    error = np.abs(result.astype(float) - truth).mean(axis=2)
    against = score_against_truth(result, truth, target, people, "pad")
    seen = judge_picture(detector, result, frame_pose(target.pose(), "pad"))
    return {
        "ssim": ssim(result, truth), "retrieval": against.retrieved, "silhouette": against.silhouette_iou,
        "found": seen.found, "pck": seen.pck, "sharpness": against.sharpness,
        "covered error": error[covered].mean() if covered.any() else np.nan,
        "unseen error": error[exact & ~covered].mean() if (exact & ~covered).any() else np.nan,
    }


def table(rows: list[Mapping[str, object]]) -> str:
    names = [name for name in rows[0] if name not in ("way", "turn", "pair", "seed")]
    lines = ["| turn | pairs | way | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for turn, (low, high) in {"all": (0, 181), **TURNS}.items():
        for way in (*WAYS, TRUTH, SOURCE):
            own = [row for row in rows if row["way"] == way and low <= row["turn"] < high]
            if own:
                columns = [np.array([row[name] for row in own], float) for name in names]
                means = [mean_known(column) for column in columns]
                lines.append(f"| {turn} | {len({row['pair'] for row in own})} | {way} | " + " | ".join(
                    f"{mean:.1f}" if name.endswith("error") else f"{mean:.3f}"
                    for name, mean in zip(names, means, strict=True)
                ) + " |")
    return "\n".join(lines) + "\n"


def mean_known(column: np.ndarray) -> float:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else np.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "base", "cfld", "lora", "blazepose", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pipeline = load_pipeline(options.base, options.cfld, "lcm", options.lora, STEPS[1.0])
    pipeline.set_progress_bar_config(disable=True)
    upscaler = load_upscaler(UPSCALER_FILE)
    detector = load_blazepose([options.blazepose])
    pairs: Pairs = DeepFashionData("deepfashion", options.data).pairs("test")
    numbers: list[int] = np.linspace(0, len(pairs), min(options.pairs, len(pairs)), endpoint=False).astype(int).tolist()
    numbers = [number for number in numbers if all(has_trunk(photograph) for photograph in pairs[number])]
    people = galleries([pairs[number][1] for number in numbers], pairs.photographs)
    rows, tiles = [], []
    for first in range(0, len(numbers), BATCH):
        batch = numbers[first : first + BATCH]
        chosen = [pairs[number] for number in batch]
        starts, turns = zip(*(warped_pair(*pair) for pair in chosen), strict=True)
        photos, poses = [source.picture() for source, _ in chosen], [target.pose() for _, target in chosen]
        shown = [[picture(source), (start.image.numpy() * 255).astype(np.uint8)]
                 for (source, _), start in zip(chosen, starts, strict=True)]
        latents = {
            (denoise, seed): sample_unguided(
                pipeline, photos, poses, seeded_noise(pipeline, seed, len(chosen)), STEPS[denoise],
                torch.Generator().manual_seed(seed), starts, denoise,
            )
            for denoise in {way.denoise for way in WAYS.values()} for seed in SEEDS
        }
        results = {
            (denoise, is_upscaled, seed): pipeline.decode(
                latents[denoise, seed], WIDTH, HEIGHT, upscaler if is_upscaled else None
            )
            for denoise, is_upscaled in {(way.denoise, way.is_upscaled) for way in WAYS.values()} for seed in SEEDS
        }
        for (name, way), seed in product(WAYS.items(), SEEDS):
            for place, ((_, target), start) in enumerate(zip(chosen, starts, strict=True)):
                result = results[way.denoise, way.is_upscaled, seed][place]
                result = pasted(result, start, FEATHER) if way.is_pasted else result
                own = scores(result, target, start, people[pose_name(target)], detector)
                rows.append({"way": name, "turn": turns[place], "pair": batch[place], "seed": seed} | own)
                if seed == SEEDS[0]:
                    shown[place].append(result)
        for place, ((source, target), start) in enumerate(zip(chosen, starts, strict=True)):
            for name, shown_picture in ((TRUTH, picture(target)), (SOURCE, picture(source))):
                own = scores(shown_picture, target, start, people[pose_name(target)], detector)
                rows.append({"way": name, "turn": turns[place], "pair": batch[place], "seed": SEEDS[0]} | own)
        tiles += [[*row, picture(target)] for row, (_, target) in zip(shown, chosen, strict=True)]
        (options.out / "warping.json").write_text(json.dumps(rows, default=float))
        (options.out / "warping.md").write_text(table(rows))
        contact_sheet(tiles[:SHEET_PAIRS], ("source", "warped", *WAYS, "truth")).save(options.out / "sheet.png")


if __name__ == "__main__":
    main()
