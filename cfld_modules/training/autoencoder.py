"""`train-autoencoder`: a TAESD-sized autoencoder from pictures, for a model that needs nothing of Stable Diffusion."""

import copy
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import Dataset

from ..data.formats import DataSet
from ..data.pairs import Pairs
from ..evaluation.sheet import contact_sheet
from .latents import square_picture
from .loop import LoopSettings, build_accelerator, run_training
from .run_settings import keep_settings
from .settings import SettingsError

SD15_SCALE = 0.18215  # by which ComfyUI multiplies latents on the way in, and which its TAESD class takes back
SHEET_PICTURES = 8


@dataclass(frozen=True)
class AutoencoderSettings:
    """A configuration file of `train-autoencoder`.

    Attributes:
        size: of the pictures, squashed to squares, in pixels.
        crop: train on squares of that many pixels cut out of them, which is cheaper; all of them where it is `size`.
        latent_noise: deviation of what is added to latents before decoding; makes the decoder forgive what a
            denoiser leaves.
        latent_weight: of keeping each latent channel at mean 0 and deviation 1.
    """

    output: Path
    data: DataSet
    training: LoopSettings
    size: int = 128
    crop: int = 128
    latent_noise: float = 0.1
    latent_weight: float = 0.1


def train_autoencoder(settings: AutoencoderSettings) -> None:
    """Run a configuration to its end.

    Writes, beside what the loop does: `config.yaml`, and in the end `autoencoder/`, a diffusers folder in float32, and
    `taesd.safetensors`, the same in float16 under ComfyUI's names.

    Raises:
        SettingsError, DataError, DivergedError: see `train.train`.
    """
    accelerator = build_accelerator(settings.training, settings.output)
    if accelerator.is_main_process:
        keep_settings(settings, settings.output)
    torch.manual_seed(settings.training.seed)
    run_training(accelerator, settings.training, settings.output, AutoencoderTask(settings))


def taesd_state(autoencoder: AutoencoderTiny) -> dict[str, torch.Tensor]:
    """The tensors under the names of ComfyUI's TAESD class, with the scale that SD 1.5's latents have there.

    Its decoder begins with a clamp that diffusers' does outside its list of layers, hence the numbers are one higher.
    """
    state = {"vae_scale": torch.tensor(SD15_SCALE), "vae_shift": torch.tensor(0.0)}
    for name, tensor in autoencoder.state_dict().items():
        if match := re.fullmatch(r"encoder\.layers\.(.*)", name):
            state[f"taesd_encoder.{match[1]}"] = tensor
        elif match := re.fullmatch(r"decoder\.layers\.(\d+)(\..*)", name):
            state[f"taesd_decoder.{int(match[1]) + 1}{match[2]}"] = tensor
    return state


class PictureSamples(Dataset):
    """Sample n of an endless run over single pictures: `picture` (3, crop, crop) in [-1, 1], half of them mirrored."""

    def __init__(self, pairs: Pairs, size: int, crop: int, seed: int) -> None:
        self.pairs, self.size, self.crop, self.seed = pairs, size, crop, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, number])
        photograph = self.pairs.photographs[int(random.integers(len(self.pairs.photographs)))]
        picture = square_picture(photograph.picture(), self.pairs.fit, self.size)
        top, left = random.integers(self.size - self.crop + 1, size=2)
        picture = picture[:, top : top + self.crop, left : left + self.crop]
        return {"picture": picture.flip(-1) if random.random() < 0.5 else picture}


class Reconstruction(nn.Module):
    """The loss: absolute error, with latents kept standard normal in each channel's mean and deviation."""

    def __init__(self, autoencoder: AutoencoderTiny, latent_noise: float, latent_weight: float) -> None:
        super().__init__()
        self.autoencoder, self.latent_noise, self.latent_weight = autoencoder, latent_noise, latent_weight

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`, and its part `reconstruction`, for pictures (B, 3, S, S) in [-1, 1]."""
        pictures = batch["picture"]
        latents = self.autoencoder.encode(pictures).latents
        noise = torch.randn_like(latents) * self.latent_noise if self.training else 0.0
        reconstruction = functional.l1_loss(self.autoencoder.decode(latents + noise).sample, pictures)
        deviation, mean = torch.std_mean(latents.float(), dim=(0, 2, 3))
        spread = (mean.square() + (deviation - 1).square()).mean()
        return {"loss": reconstruction + self.latent_weight * spread, "reconstruction": reconstruction}


@dataclass
class AutoencoderTask:
    """See `loop.Task`."""

    settings: AutoencoderSettings
    model: Reconstruction = field(init=False)
    data: PictureSamples = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.model = Reconstruction(AutoencoderTiny(), settings.latent_noise, settings.latent_weight)
        if not 8 <= settings.crop <= settings.size or settings.crop % 8:
            raise SettingsError(f"crop: must be a multiple of 8, at most the size {settings.size}, got {settings.crop}")
        seed = settings.training.seed
        self.data = PictureSamples(settings.data.pairs("train"), settings.size, settings.crop, seed)
        held_out = PictureSamples(settings.data.pairs("test"), settings.size, settings.size, seed)
        self.held_out = torch.stack([held_out[number]["picture"] for number in range(SHEET_PICTURES)])

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Held-out pictures beside what comes back of them, and their mean absolute error."""
        pictures = self.held_out.to(self.model.autoencoder.device)
        scores = {"held-out reconstruction": self.model({"picture": pictures})["reconstruction"].item()}
        returned = self.model.autoencoder.decode(self.model.autoencoder.encode(pictures).latents).sample
        rows = [[_uint8(picture), _uint8(back)] for picture, back in zip(pictures, returned, strict=True)]
        return contact_sheet(rows, ("picture", "decoded")), scores

    def export(self) -> None:
        output, autoencoder = self.settings.output, self.model.autoencoder
        unfinished = output / "autoencoder.part"
        autoencoder.save_pretrained(unfinished)
        shutil.rmtree(output / "autoencoder", ignore_errors=True)
        unfinished.rename(output / "autoencoder")
        half = taesd_state(copy.deepcopy(autoencoder).half().cpu())
        save_file({name: tensor.contiguous() for name, tensor in half.items()}, output / "taesd.safetensors.part")
        (output / "taesd.safetensors.part").replace(output / "taesd.safetensors")


def _uint8(picture: torch.Tensor) -> np.ndarray:
    """(3, H, W) in [-1, 1] -> (H, W, 3)."""
    return ((picture.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
