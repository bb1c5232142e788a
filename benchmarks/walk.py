"""Does a walking person flicker? Sixteen frames of one photo by the demo model, beside the rendered truth.

    python -m benchmarks.walk --out FOLDER

The photo and the poses are the template *Walk*'s. Flicker is the mean change from a frame to the next, of 255, of those
pixels that change by at most `STILL` in the truth. Writes walk.md and walk.png, every second frame.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence

from cfld_modules.demo_model import HEIGHT, WIDTH
from cfld_modules.demo_people import demo_photo
from cfld_modules.evaluation.demo import load_few_step_pipeline
from cfld_modules.evaluation.sheet import contact_sheet
from cfld_modules.evaluation.textured import FEATHER, pasted, sample_unguided, seeded_noise, warp_photo
from cfld_modules.poses.framing import scale_pose
from cfld_modules.poses.reading import parse_pose_json

PACK = Path(__file__).parents[1]
STEPS, STILL, SEED = 2, 2, 2


def flicker(pictures: list[np.ndarray], truth: list[np.ndarray]) -> float:
    changes = [np.abs(np.diff(np.stack(frames).astype(float), axis=0)).mean(axis=3) for frames in (pictures, truth)]
    return float(changes[0][changes[1] <= STILL].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    nodes = json.loads((PACK / "workflows" / "api" / "walk.json").read_text(encoding="utf-8")).values()
    inputs = {node["class_type"]: node["inputs"] for node in nodes}
    person = inputs["CFLDDemoPerson"]
    photo = demo_photo(person["person"], person["pose"])
    poses = [scale_pose(pose, WIDTH, HEIGHT) for pose in parse_pose_json(inputs["CFLDPoseEditor"]["pose_json"])]
    with Image.open(PACK / "docs" / "walk_truth.webp") as film:
        truth = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    starts = warp_photo(photo.image, photo.pose, photo.silhouette, poses)
    pipeline = load_few_step_pipeline("ddim_trailing", STEPS)
    noises = seeded_noise(pipeline, SEED, len(poses))

    def sampled(noise: torch.Tensor) -> list[np.ndarray]:
        latents = sample_unguided(pipeline, [photo.image], poses, noise, STEPS)
        return list(pipeline.decode(latents, WIDTH, HEIGHT))

    alike = sampled(noises[:1])
    ways = {
        "truth": truth, "each frame from its own noise": sampled(noises), "all from the same noise": alike,
        "the same, with the photo's pixels: the template": [
            pasted(result, start, FEATHER // 2) for result, start in zip(alike, starts, strict=True)
        ],
    }
    lines = [f"| {way} | {flicker(pictures, truth):.2f} |\n" for way, pictures in ways.items()]
    (out / "walk.md").write_text("| way | flicker |\n|---|---|\n" + "".join(lines))
    contact_sheet([pictures[::2] for pictures in ways.values()], [""] * (len(poses) // 2)).save(out / "walk.png")


if __name__ == "__main__":
    main()
