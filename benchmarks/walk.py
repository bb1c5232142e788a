"""Does a walking person flicker? Sixteen frames of one photo by the demo model, beside the drawn truth.

    python -m benchmarks.walk --out FOLDER

Flicker is the mean change from a frame to the next, of 255, of those pixels that change by at most `STILL` in the
truth. Ways: all frames from the same noise, each from its own, and the first with Warp Person's pixels pasted over.
Writes walk.md, walk.png (every second frame) and walk.json, the poses as Pose Editor holds them.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.warping import HEIGHT, SQUARE, WIDTH, pasted
from cfld_modules.evaluation.demo import load_demo_pipeline
from cfld_modules.evaluation.sheet import contact_sheet
from cfld_modules.mannequins.benchmark import FIRST_TEST_SEED, draw_mannequin, sample_identity
from cfld_modules.mannequins.drawing import Mannequin
from cfld_modules.mannequins.walk import FRAMES, draw_walk, walking
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.poses.keypoints import write_pose_keypoints
from cfld_modules.poses.lifting import lift
from cfld_modules.poses.warping import warp_person

STEPS, STILL = 4, 2
PEOPLE = (46, 14, 3, 21, 27)


@torch.no_grad()
def results(
    pipeline: CFLDPipeline, photo: np.ndarray, frames: list[Mannequin], is_same_noise: bool
) -> list[np.ndarray]:
    """RGB uint8 (HEIGHT, WIDTH, 3)."""
    shape = (1 if is_same_noise else len(frames), 4, SQUARE // 8, SQUARE // 8)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(3407)).expand(len(frames), -1, -1, -1)
    appearance = pipeline.encode_sources([Image.fromarray(photo)] * len(frames), "pad")
    pose = pipeline.encode_poses([frame.pose for frame in frames], "pad")
    latents = pipeline.denoise(noise * pipeline.scheduler.init_noise_sigma, appearance, pose, steps=STEPS)
    return list(pipeline.decode(latents, WIDTH, HEIGHT))


def flicker(pictures: list[np.ndarray], truth: list[np.ndarray]) -> float:
    changes = [np.abs(np.diff(np.stack(frames).astype(float), axis=0)).mean(axis=3) for frames in (pictures, truth)]
    return float(changes[0][changes[1] <= STILL].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--turn", type=float, default=360, help="degrees by which the person turns meanwhile")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pipeline = load_demo_pipeline("ddim_trailing", STEPS)
    pipeline.set_progress_bar_config(disable=True)
    rows: dict[str, list[float]] = {}
    tiles: list[list[np.ndarray]] = []
    for person in PEOPLE:
        identity = sample_identity(FIRST_TEST_SEED + person)
        frames = draw_walk(identity, options.turn, WIDTH, HEIGHT)
        photo = draw_mannequin(identity, walking(0, 0), 2 * WIDTH, 2 * HEIGHT)
        source, pixels = lift(photo.pose), torch.from_numpy(photo.image) / 255
        mask = torch.from_numpy(photo.silhouette.astype(np.float32))
        starts = [warp_person(pixels, source, lift(frame.pose), mask) for frame in frames]
        truth = [frame.image for frame in frames]
        ways = {"truth": truth, "same noise": results(pipeline, photo.image, frames, True)}
        ways["own noise"] = results(pipeline, photo.image, frames, False)
        ways["same noise, pasted"] = [pasted(*pair) for pair in zip(ways["same noise"], starts, strict=True)]
        for way, pictures in ways.items():
            rows.setdefault(way, []).append(flicker(pictures, truth))
            tiles.append(pictures[::2])
    lines = [f"| {way} | {np.mean(values):.2f} |" for way, values in rows.items()]
    (options.out / "walk.md").write_text("| way | flicker |\n|---|---|\n" + "\n".join(lines) + "\n")
    contact_sheet(tiles, [""] * (FRAMES // 2)).save(options.out / "walk.png")
    large = [
        replace(frame.pose, points=frame.pose.points.round(1))
        for frame in draw_walk(sample_identity(FIRST_TEST_SEED + PEOPLE[0]), options.turn, 352, 512)
    ]
    (options.out / "walk.json").write_text(json.dumps(write_pose_keypoints(large)))


if __name__ == "__main__":
    main()
