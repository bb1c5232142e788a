"""`demo`: the demo model and its upscaler put a bundled person into seven poses, alone and keeping the photo's texture.

`configs/demo/` makes it in numbered stages; docs/training.md says what it scores, docs/log.md how it came about.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..demo_model import BASE_FOLDER, CFLD_FILE, UPSCALER_FILE
from ..demo_people import POSES, demo_photo
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.pose_drawing import draw_pose_in_style
from .models import load_pipeline, load_upscaler
from .sheet import contact_sheet
from .textured import DENOISE, FEATHER, pasted, sample_from, seeded_noise, warp_photo

WIDTH, HEIGHT = 176, 256  # of the sheet's pictures
DEMO_COLUMNS = "photo", "pose", "CFLD", "keeping texture", "truth"


def load_demo_pipeline(scheduler: str = "ddim", steps: int | None = None) -> CFLDPipeline:
    """The demo model in float32, with one of `schedulers.SCHEDULERS`."""
    return load_pipeline(BASE_FOLDER, CFLD_FILE, scheduler, steps=steps)


def make_demo(out: Path, person: int, steps: int, seed: int) -> None:
    """Write a sheet of photo, pose, result, result with the photo's texture, and truth, a pose a row.

    Args:
        person: one of `demo_people`.
        seed: of the noise that all results begin with.
    """
    pipeline = load_demo_pipeline("ddim_trailing", steps)  # in few steps better than "ddim": docs/performance.md
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
    alone, started = (
        pipeline.decode(
            sample_from(pipeline, [photo.image], poses, starts, noise, steps, denoise), WIDTH, HEIGHT, upscaler
        )
        for denoise in (1.0, DENOISE)
    )
    textured = [pasted(result, start, FEATHER // 2) for result, start in zip(started, starts, strict=True)]
    drawings = [draw_pose_in_style(pose, WIDTH, HEIGHT, "cfld") for pose in poses]
    return [[photo.image, *row, truth.image] for *row, truth in zip(drawings, alone, textured, truths, strict=True)]
