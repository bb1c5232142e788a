"""A picture by this pack's pipeline beside one made the published way, at Stable Diffusion's full size.

The published way: three rows a step whatever their weights, residuals copied at every step, encoders run for every
picture. Parts are timed in turns and put together to a picture of 50 steps; weights are random, and the VAE, which is
the same for all, is left out. Writes published.json and published.md.
"""

import argparse
import copy
import statistics
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from report import write_report
from timing import interleaved

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfld_modules.guidance import row_weights  # noqa: E402
from cfld_modules.networks.config import CFLDConfig  # noqa: E402
from cfld_modules.networks.model import CFLD  # noqa: E402
from cfld_modules.pipeline.base_model import sd15_unet_config  # noqa: E402
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline  # noqa: E402
from cfld_modules.pipeline.schedulers import published_scheduler  # noqa: E402
from cfld_modules.pipeline.unet_patch import patch_unet  # noqa: E402

PAPER_STEPS, DISTILLED_STEPS = 50, (4, 2)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pixels", type=int, default=512, help="of a side of the picture (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("output/benchmarks"))
    options = parser.parse_args()
    dtype = torch.float32 if options.device == "cpu" else torch.float16
    cfld = CFLD(CFLDConfig()).to(options.device, dtype).eval()
    unet = patch_unet(UNet2DConditionModel(**sd15_unet_config()), {}).to(options.device, dtype).eval()
    pipeline = CFLDPipeline(unet, None, published_scheduler(), cfld)
    size = cfld.config.source.image_size
    source = torch.randn(1, 3, size, size, device=options.device, dtype=dtype)
    maps = torch.rand(1, 21, size, size, device=options.device, dtype=dtype)
    latents = torch.randn(1, 4, options.pixels // 8, options.pixels // 8, device=options.device)
    appearance, pose = cfld.encode_source(source), cfld.encode_pose(maps)
    paper = row_weights("uc_down_full", {"down": 2.0, "full": 2.0})

    def step(weights: dict[str, float], copied: bool = False) -> float:
        given = copy.deepcopy((appearance, pose)) if copied else (appearance, pose)
        return pipeline.guided_epsilon(latents, 500, weights, *given).sum().item()

    seconds = interleaved({
        "encoders": lambda: (cfld.encode_source(source).prompt.sum().item(), cfld.encode_pose(maps)[0].sum().item()),
        "published step": lambda: step({"uc": -1.0, "down": 0.0, "full": 2.0}, copied=True),
        "step of two rows": lambda: step(paper),
        "step of one row": lambda: step({"full": 1.0}),
    }, options.rounds)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    published = median["encoders"] + PAPER_STEPS * median["published step"]
    ways = {
        "published": (PAPER_STEPS, 3, published),
        "paper's setting": (PAPER_STEPS, 2, median["encoders"] + PAPER_STEPS * median["step of two rows"]),
        "paper's setting, another pose": (PAPER_STEPS, 2, PAPER_STEPS * median["step of two rows"]),
    } | {
        f"distilled, {steps} steps": (steps, 1, median["encoders"] + steps * median["step of one row"])
        for steps in DISTILLED_STEPS
    }
    table = [
        {"way": name, "steps": steps, "rows a step": rows, "s a picture": total, "of the published": total / published}
        for name, (steps, rows, total) in ways.items()
    ]
    parts = ", ".join(f"{name} {value:.3g} s" for name, value in median.items())
    notes = f"{options.pixels} pixels, {dtype}, medians of {options.rounds} interleaved rounds: {parts}."
    write_report(options.out / "published", "Beside the published way", " ".join(["python", *sys.argv]), table, notes)


if __name__ == "__main__":
    main()
