"""`train-upscaler`: a small network that draws pictures twice as large, for ComfyUI's upscale models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from accelerate import Accelerator
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.utils.data import Dataset

from ..checkpoints.tensor_files import write_tensors
from ..data.formats import DataSet
from ..data.pairs import Pairs
from ..errors import SettingsError
from ..evaluation.sheet import contact_sheet
from ..networks.compact import Compact
from ..settings import Side, Weight
from .latents import random_crop, sheet_picture, square_pixels
from .loop import LoopSettings

SCALE = 2
SHEET_PICTURES, SHEET_BLUR = 6, 1.0


@dataclass(frozen=True)
class UpscalerSettings:
    """A configuration file of `train-upscaler`.

    Attributes:
        size: of the large pictures, squashed to squares as the small autoencoder decodes them, in pixels; even.
        crop: train on squares of that many pixels cut out of them; even.
        blur: small pictures are blurred by a Gaussian of at most that deviation, in their pixels, as results are.
    """

    output: Path
    data: DataSet
    training: LoopSettings
    size: Side = 384
    crop: Side = 96
    blur: Weight = 1.5

    def task(self, _: Accelerator) -> "UpscalerTask":
        return UpscalerTask(self)


def halved(picture: torch.Tensor, blur: float) -> torch.Tensor:
    """(3, H, W) of even sides -> (3, H/2, W/2), blurred by that deviation, in pixels of the result."""
    small = functional.avg_pool2d(picture, SCALE)
    return torch.from_numpy(gaussian_filter(small.numpy(), (0, blur, blur), mode="nearest"))


class UpscalerSamples(Dataset):
    """Sample n of an endless run over single pictures: `large` (3, crop, crop) in [0, 1], half of them mirrored, and
    `small` (3, crop/2, crop/2).
    """

    def __init__(self, pairs: Pairs, settings: UpscalerSettings) -> None:
        self.pairs, self.settings = pairs, settings

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        settings = self.settings
        random = np.random.default_rng([settings.training.seed, number])
        large = random_crop(self.pairs, settings.size, settings.crop, random) / 255
        return {"large": large, "small": halved(large, random.uniform(0, settings.blur))}


class UpscalingError(nn.Module):
    """The loss: mean absolute error."""

    def __init__(self, upscaler: Compact) -> None:
        super().__init__()
        self.upscaler = upscaler

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss` for a batch of `UpscalerSamples`."""
        return {"loss": functional.l1_loss(self.upscaler(batch["small"]), batch["large"])}


class UpscalerTask:
    """See `loop.Task`."""

    def __init__(self, settings: UpscalerSettings) -> None:
        if settings.size % SCALE or settings.crop % SCALE or settings.crop > settings.size:
            raise SettingsError(
                f"crop and size: must be even, and crop at most size, got {settings.crop} and {settings.size}"
            )
        self.settings = settings
        self.model = UpscalingError(Compact(scale=SCALE))
        self.data = UpscalerSamples(settings.data.pairs("train"), settings)
        test = settings.data.pairs("test")
        self.held_out = torch.stack([
            square_pixels(photograph.picture(), test.fit, settings.size) / 255
            for photograph in test.photographs[:SHEET_PICTURES]
        ])

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Held-out pictures, halved, blurred and upscaled; their error, and bicubic interpolation's."""
        large = self.held_out
        small = torch.stack([halved(picture, SHEET_BLUR) for picture in large])
        device = next(self.model.parameters()).device
        upscaled = self.model.upscaler(small.to(device)).cpu()
        bicubic = functional.interpolate(small, scale_factor=SCALE, mode="bicubic")
        errors = {"held-out error": (upscaled - large).abs().mean(), "bicubic": (bicubic - large).abs().mean()}
        columns = (pictures * 2 - 1 for pictures in (bicubic, upscaled, large))
        rows = [list(map(sheet_picture, row)) for row in zip(*columns, strict=True)]
        return contact_sheet(rows, ("bicubic", "upscaled", "truth")), {name: e.item() for name, e in errors.items()}

    def export(self) -> None:
        """`upscaler.safetensors`, in float16."""
        state = self.model.upscaler.state_dict()
        write_tensors(self.settings.output / "upscaler.safetensors", state, dtype=torch.float16)
