"""`demo`: the demo model and its upscaler put a bundled person into seven poses, alone and keeping the photo's texture.

`configs/demo/` makes it in numbered stages; docs/training.md says what it scores, docs/log.md how it came about.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..demo_model import BASE_FOLDER, CFLD_FILE, HEIGHT, LORA_FILE, UPSCALER_FILE, WIDTH
from ..demo_people import POSES, demo_photo
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.pose_drawing import draw_pose_in_style
from .models import load_pipeline, load_upscaler
from .sheet import contact_sheet
from .textured import FEATHER, pasted, sample_unguided, seeded_noise, warp_photo

SCHEDULER = "lcm"  # of the template *Start here*
DEMO_COLUMNS = "photo", "pose", "CFLD", "keeping texture", "truth"


def load_demo_pipeline() -> CFLDPipeline:
    """The demo model in float32, sampled by DDIM."""
    return load_pipeline(BASE_FOLDER, CFLD_FILE, "ddim")


def load_few_step_pipeline(scheduler: str, steps: int) -> CFLDPipeline:
    """The demo model with its LoRA, to be sampled unguided by `ddim_trailing` or `lcm`."""
    return load_pipeline(BASE_FOLDER, CFLD_FILE, scheduler, LORA_FILE, steps)


def make_demo(out: Path, person: int, steps: int, seed: int) -> None:
    """Write a sheet of photo, pose, result, result with the photo's texture, and truth, a pose a row.

    Args:
        person: one of `demo_people`.
        seed: of the noise that all results begin with.
    """
    pipeline = load_few_step_pipeline(SCHEDULER, steps)
    rows = demo_rows(pipeline, person, range(1, POSES), steps, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, DEMO_COLUMNS).save(out)


def demo_rows(
    pipeline: CFLDPipeline, person: int, numbers: Sequence[int], steps: int, seed: int
) -> list[list[np.ndarray]]:
    """`DEMO_COLUMNS` of each of the person's poses by number, RGB uint8 (HEIGHT, WIDTH, 3)."""
    photo, *truths = (demo_photo(person, pose, WIDTH, HEIGHT) for pose in (0, *numbers))
    poses = [truth.pose for truth in truths]
    noise, upscaler = seeded_noise(pipeline, seed), load_upscaler(UPSCALER_FILE)
    starts = warp_photo(photo.image, photo.pose, photo.silhouette, poses)
    generator = torch.Generator().manual_seed(seed)
    latents = sample_unguided(pipeline, [photo.image], poses, noise, steps, generator)
    alone = pipeline.decode(latents, WIDTH, HEIGHT, upscaler)
    textured = [pasted(result, start, FEATHER // 2) for result, start in zip(alone, starts, strict=True)]
    drawings = [draw_pose_in_style(pose, WIDTH, HEIGHT, "cfld") for pose in poses]
    return [[photo.image, *row, truth.image] for *row, truth in zip(drawings, alone, textured, truths, strict=True)]
