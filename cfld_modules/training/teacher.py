"""The teacher of a distillation: a trained model with its guidance, and the people and poses that it is asked for."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..data.pairs import Pairs
from ..evaluation.models import load_pipeline
from ..guidance import SCALES_OF, GuidanceType
from ..pipeline.cfld_pipeline import PAPER_SCALE, CFLDPipeline
from ..settings import Finite
from .latents import square_pixels
from .samples import drawn_poses


@dataclass(frozen=True)
class GuidanceScales:
    """By their names in `guidance.SCALES_OF`; the paper's. A guidance type reads some of them."""

    full: Finite = PAPER_SCALE
    down: Finite = PAPER_SCALE
    all: Finite = PAPER_SCALE
    guidance: Finite = PAPER_SCALE


@dataclass(frozen=True)
class Teacher:
    """A trained model and its guidance.

    Attributes:
        base, cfld: Stable Diffusion 1.5 and the published CFLD, or what `train` made.
    """

    base: Path
    cfld: Path
    guidance_type: GuidanceType = "uc_down_full"
    scales: GuidanceScales = field(default_factory=GuidanceScales)

    def pipeline(self) -> CFLDPipeline:
        """Raises CheckpointError."""
        pipeline = load_pipeline(self.base, self.cfld, "ddim")
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def read_scales(self) -> dict[str, float]:
        """Those that its guidance type reads."""
        return {name: asdict(self.scales)[name] for name in SCALES_OF[self.guidance_type]}


class TeacherSamples(Dataset):
    """Sample n of an endless run over pairs, whose targets' pictures are not looked at: `source` uint8 (3, S, S),
    `drawings` and `joints` of one pose, see `samples.read_batch`, and `noise` (4, h, h).

    Args:
        size, latent_side: S in pixels, and h.
    """

    def __init__(self, size: int, latent_side: int, pairs: Pairs, seed: int) -> None:
        self.size, self.latent_side, self.pairs, self.seed = size, latent_side, pairs, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, number])
        source, target = self.pairs[int(random.integers(len(self.pairs)))]
        noise = random.standard_normal((4, self.latent_side, self.latent_side), np.float32)
        poses = drawn_poses([target.pose()], self.pairs.fit, self.size)
        return {
            "source": square_pixels(source.picture(), self.pairs.fit, self.size), "noise": torch.from_numpy(noise),
        } | {name: tensor[0] for name, tensor in poses.items()}
