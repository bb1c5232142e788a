"""A whole picture by this pack's pipeline beside one made the published way, at Stable Diffusion's full size.

The published way: three rows a step whatever their weights, residuals copied at every step, encoders run for every
picture, Stable Diffusion's autoencoder in the end. By operations, counted on tensors without content, and by seconds of
parts that take turns; `--rounds 0` counts alone. Weights are random. Writes published.json and published.md.
"""

import copy
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from report import against, benchmark_parser, write_report
from timing import interleaved
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfld_modules.guidance import row_weights  # noqa: E402
from cfld_modules.networks.config import CFLDConfig  # noqa: E402
from cfld_modules.networks.model import CFLD  # noqa: E402
from cfld_modules.pipeline.base_model import sd15_unet_config  # noqa: E402
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline  # noqa: E402
from cfld_modules.pipeline.schedulers import published_scheduler  # noqa: E402
from cfld_modules.pipeline.unet_patch import patch_unet  # noqa: E402

PAPER_STEPS, POSES = 50, 16
STATED = {  # of the published picture's operations, in docs/performance.md
    "published": 1.0, "paper's setting": 0.674, "distilled, 4 steps": 0.048, "distilled, 2 steps": 0.035,
    "distilled, 2 steps, TAESD": 0.016,
}
SD15_VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
}  # fmt: skip


def frozen(module: torch.nn.Module, dtype: torch.dtype) -> Any:
    return torch.nn.Module.to(module, dtype).requires_grad_(False).eval()  # diffusers' own `to` warns of every cast


@dataclass(frozen=True)
class Way:
    """A picture as the sum of its parts: how often each is run."""

    name: str
    parts: dict[str, float]

    def total(self, costs: dict[str, float]) -> float:
        return sum(times * costs[part] for part, times in self.parts.items())


ENCODERS = {"person": 1.0, "pose": 1.0}
WAYS = [
    Way("published", {**ENCODERS, "published step": PAPER_STEPS, "VAE decode": 1}),
    Way("paper's setting", {**ENCODERS, "step of two rows": PAPER_STEPS, "VAE decode": 1}),
    Way("paper's setting, another pose", {"pose": 1, "step of two rows": PAPER_STEPS, "VAE decode": 1}),
    Way("distilled, 4 steps", {**ENCODERS, "step of one row": 4, "VAE decode": 1}),
    Way("distilled, 2 steps", {**ENCODERS, "step of one row": 2, "VAE decode": 1}),
    Way("distilled, 2 steps, TAESD", {**ENCODERS, "step of one row": 2, "TAESD decode": 1}),
    Way(
        f"paper's setting, of {POSES} poses of one person",
        {"person": 1 / POSES, "pose": 1, "step of two rows": PAPER_STEPS, "VAE decode": 1},
    ),
    Way("plain Stable Diffusion, 50 steps of two rows", {"plain step of two rows": PAPER_STEPS, "VAE decode": 1}),
]


class Parts:
    """What pictures are made of, each to be run once: at full size, with random weights."""

    def __init__(self, device: torch.device, dtype: torch.dtype, pixels: int) -> None:
        with device:
            self.cfld = frozen(CFLD(CFLDConfig()), dtype)
            unet = frozen(patch_unet(UNet2DConditionModel(**sd15_unet_config()), {}), dtype)
            self.vae, self.taesd = frozen(AutoencoderKL(**SD15_VAE), dtype), frozen(AutoencoderTiny(), dtype)
            size = self.cfld.config.source.image_size
            self.source = torch.randn(1, 3, size, size, dtype=dtype)
            self.maps = torch.rand(1, 21, size, size, dtype=dtype)
            self.latents = torch.randn(1, 4, pixels // 8, pixels // 8, dtype=dtype)
            self.text = torch.randn(2, 77, 768, dtype=dtype)
            self.pipeline = CFLDPipeline(unet, None, published_scheduler(), self.cfld)
            self.appearance, self.pose = self.cfld.encode_source(self.source), self.cfld.encode_pose(self.maps)

    def functions(self) -> dict[str, Callable[[], torch.Tensor]]:
        unet, paper = self.pipeline.unet, row_weights("uc_down_full", {"down": 2.0, "full": 2.0})
        return {
            "person": lambda: self.cfld.encode_source(self.source).prompt,
            "pose": lambda: self.cfld.encode_pose(self.maps)[0],
            "published step": lambda: self.step({"uc": -1.0, "down": 0.0, "full": 2.0}, copied=True),
            "step of two rows": lambda: self.step(paper),
            "step of one row": lambda: self.step({"full": 1.0}),
            "plain step of two rows": lambda: unet(self.latents.expand(2, -1, -1, -1), 500, self.text).sample,
            "VAE decode": lambda: self.vae.decode(self.latents).sample,
            "TAESD decode": lambda: self.taesd.decode(self.latents).sample,
        }

    def step(self, weights: dict[str, float], copied: bool = False) -> torch.Tensor:
        given = self.appearance, self.pose
        return self.pipeline.guided_epsilon(self.latents, 500, weights, *(copy.deepcopy(given) if copied else given))


def operations(pixels: int) -> dict[str, float]:
    """Multiplications and additions of each part, in 10^9."""
    counts = {}
    for name, function in Parts(torch.device("meta"), torch.float32, pixels).functions().items():
        with FlopCounterMode(display=False) as counter:
            function()
        counts[name] = counter.get_total_flops() / 1e9
    return counts


@torch.no_grad()
def main() -> None:
    parser = benchmark_parser(__doc__, 3)
    parser.add_argument("--pixels", type=int, default=512, help="of a side of the picture (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device, dtype = torch.device(options.device), torch.float32 if options.device == "cpu" else torch.float16
    costs = {"GFLOP": operations(options.pixels)}
    if options.rounds:
        functions = Parts(device, dtype, options.pixels).functions()
        # `item` waits for the device.
        timed = {name: lambda function=function: function().sum().item() for name, function in functions.items()}
        seconds = interleaved(timed, options.rounds)
        costs["s"] = {name: statistics.median(times) for name, times in seconds.items()}
    table = []
    for way in WAYS:
        row: dict[str, Any] = {"way": way.name}
        for unit, cost in costs.items():
            without_vae = cost | {"VAE decode": 0.0, "TAESD decode": 0.0}
            row |= {
                f"{unit} a picture": way.total(cost), f"of the published {unit}": way.total(cost) / WAYS[0].total(cost),
                f"{unit}, without the VAE": way.total(without_vae) / WAYS[0].total(without_vae),
            }
        table.append(row | against(row["of the published GFLOP"], STATED.get(way.name)))
    parts = "; ".join(
        ", ".join(f"{name} {value:.4g} {unit}" for name, value in cost.items()) for unit, cost in costs.items()
    )
    notes = f"{options.pixels} pixels, {dtype}, medians of {options.rounds} interleaved rounds. {parts}."
    write_report(options.out / "published", "Beside the published way", " ".join(["python", *sys.argv]), table, notes)


if __name__ == "__main__":
    main()
