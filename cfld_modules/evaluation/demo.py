"""`demo`: runs the demo model on a mannequin in six poses, and writes a sheet.

`configs/demo/` makes it in numbered stages; docs/training.md says what it scores, docs/log.md how it came about.
"""

from pathlib import Path

from ..demo_model import BASE_FOLDER, CFLD_FILE, HEIGHT, WIDTH
from ..mannequins.photograph import held_out_photograph
from ..pipeline.cfld_pipeline import CFLDPipeline
from .generate import generate_pictures, transfer_sheet
from .models import load_pipeline

POSES = 6
SHEET_SCALE = 2


def load_demo_pipeline(scheduler: str = "ddim", steps: int | None = None) -> CFLDPipeline:
    """The demo model in float32, with one of `schedulers.SCHEDULERS`."""
    return load_pipeline(BASE_FOLDER, CFLD_FILE, scheduler, steps=steps)


def make_demo(out: Path, person: int, steps: int, seed: int) -> None:
    """Write a sheet of source, pose, result and truth of one person in six poses.

    Args:
        person: a mannequin that was not trained on, by number from 0.
        seed: of the noise that all results begin with.
    """
    source = held_out_photograph(person, 0)
    pairs = [(source, held_out_photograph(person, POSES * person + number)) for number in range(1, POSES + 1)]
    pipeline = load_demo_pipeline("ddim_trailing", steps)  # in few steps better than "ddim": docs/performance.md
    results = generate_pictures(pipeline, pairs, "pad", WIDTH, HEIGHT, steps=steps, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    transfer_sheet(pairs, results, "pad", WIDTH, HEIGHT, SHEET_SCALE).save(out)
