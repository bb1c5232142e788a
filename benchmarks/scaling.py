"""What several people, several poses and larger latents cost, with the demo model in the diffusers pipeline.

Encoders must run once a person and once a pose, not once a picture or a step: what they are given is counted. Writes
scaling.json and scaling.md.
"""

import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from report import benchmark_parser, write_report
from timing import interleaved

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfld_modules.demo_model import HEIGHT, WIDTH  # noqa: E402
from cfld_modules.demo_people import PEOPLE, POSES, demo_photo  # noqa: E402
from cfld_modules.evaluation.demo import load_demo_pipeline  # noqa: E402

STEPS = 4
PICTURES = (1, 2, 4, 8, 16)
LATENT_SIDES = (32, 64, 96, 128)


class Counted:
    """Rows that the encoders and the U-Net have been given."""

    def __init__(self, pipeline) -> None:
        self.rows = dict.fromkeys(("people", "poses", "U-Net rows"), 0)
        for name, module in (
            ("people", pipeline.cfld.backbone), ("poses", pipeline.cfld.pose_encoder), ("U-Net rows", pipeline.unet)
        ):
            module.register_forward_pre_hook(lambda _, arguments, name=name: self.count(name, len(arguments[0])))

    def count(self, name: str, rows: int) -> None:
        self.rows[name] += rows


@torch.no_grad()
def main() -> None:
    options = benchmark_parser(__doc__, 3).parse_args()
    pipeline = load_demo_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    # Sixteen pictures of twelve people, no two alike; eight poses, of two people.
    people = [Image.fromarray(demo_photo(number, number // PEOPLE).image) for number in range(max(PICTURES))]
    poses = [demo_photo(number // POSES, number).pose for number in range(max(PICTURES))]

    def made(sources: int, targets: int) -> None:
        pipeline(people[:sources], poses[:targets], steps=STEPS, width=WIDTH, height=HEIGHT)

    def sampled(side: int) -> None:
        pipeline.denoise(torch.randn(1, 4, side, side), appearance, pose, steps=1)

    appearance, pose = pipeline.encode_sources(people[:1], "pad"), pipeline.encode_poses(poses[:1], "pad")
    variants = {("one person, N poses", n): (lambda n=n: made(1, n)) for n in PICTURES}
    variants |= {("N people, one pose", n): (lambda n=n: made(n, 1)) for n in PICTURES}
    variants |= {("latents of N x N, one step", n): (lambda n=n: sampled(n)) for n in LATENT_SIDES}
    seconds = interleaved(variants, options.rounds)
    counted = Counted(pipeline)
    table = []
    for (what, number), make in variants.items():
        counted.rows = dict.fromkeys(counted.rows, 0)
        make()
        table.append({"what": what, "N": number, "s": statistics.median(seconds[what, number])} | counted.rows)
    slopes = [f"{what}: s ~ N^{slope(table, what):.2f}" for what in dict.fromkeys(row["what"] for row in table)]
    notes = f"{STEPS} steps of two rows, medians of {options.rounds} interleaved rounds. " + "; ".join(slopes) + "."
    write_report(options.out / "scaling", "Scaling", "python benchmarks/scaling.py", table, notes)


def slope(table: list[dict], what: str) -> float:
    """The exponent of N that fits the times best."""
    points = [(np.log(row["N"]), np.log(row["s"])) for row in table if row["what"] == what]
    return float(np.polyfit(*zip(*points, strict=True), 1)[0])


if __name__ == "__main__":
    main()
