"""`train-autoencoder`: a TAESD-sized autoencoder from pictures, for a model that needs nothing of Stable Diffusion."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from accelerate import Accelerator
from diffusers import AutoencoderTiny
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

from ..checkpoints.atomic_files import replace_folder
from ..checkpoints.taesd import taesd_state
from ..checkpoints.tensor_files import write_tensors
from ..data.formats import DataSet
from ..data.pairs import Pairs
from ..errors import CheckpointError, SettingsError
from ..evaluation.sheet import contact_sheet
from ..pipeline.base_model import save_network
from ..poses.framing import signed_unit
from ..settings import Side, Weight
from .denoised_latents import DenoisedSamples, Denoising, denoised_latents
from .latents import random_crop, sheet_picture
from .loop import LoopSettings, TrainingData

SHEET_PICTURES = 8
logger = logging.getLogger("cfld")
RESIDUAL_BRANCH, UNTRAINED_CHANNELS = 0.1, 0.3  # factors of their initial weights


@dataclass(frozen=True)
class AutoencoderSettings:
    """A configuration file of `train-autoencoder`.

    Attributes:
        size: of the pictures, squashed to squares, in pixels.
        crop: train on squares of that many pixels cut out of them, which is cheaper; all of them where it is `size`.
        latent_noise: deviation of what is added to latents before decoding; makes the decoder forgive what a
            denoiser leaves.
        latent_weight: of keeping each latent channel at mean 0 and deviation 1.
        squared_error_weight: of the squared beside the absolute error.
        autoencoder_of: an autoencoder of an earlier run, to train further.
        decoder_of: the same, of which the decoder alone is trained further; its latents stay as they are.
        denoised: train that decoder on latents as a denoiser leaves them, in place of the pictures' own.
    """

    output: Path
    data: DataSet
    training: LoopSettings
    size: Side = 128
    crop: Side = 128
    latent_noise: Weight = 0.1
    latent_weight: Weight = 0.1
    squared_error_weight: Weight = 3.0
    autoencoder_of: Path | None = None
    decoder_of: Path | None = None
    denoised: Denoising | None = None

    def task(self, accelerator: Accelerator) -> "AutoencoderTask":
        return AutoencoderTask(self, accelerator)


class PictureSamples(Dataset):
    """Sample n of an endless run over single pictures: `picture` (3, crop, crop) in [-1, 1], half of them mirrored."""

    def __init__(self, pairs: Pairs, size: int, crop: int, seed: int) -> None:
        self.pairs, self.size, self.crop, self.seed = pairs, size, crop, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, number])
        return {"picture": signed_unit(random_crop(self.pairs, self.size, self.crop, random))}


@torch.no_grad()
def carry_colours(autoencoder: AutoencoderTiny) -> None:
    """Initial weights with which the first three latents are the red, green and blue of every eighth pixel, and decode
    to them; residual branches begin weak. From PyTorch's own, colours take thousands of steps to come through.
    """
    encoder, decoder = autoencoder.encoder.layers, autoencoder.decoder.layers
    for name, layer in autoencoder.named_modules():
        if not isinstance(layer, nn.Conv2d):
            continue
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if ".conv." in name:  # of a residual branch, whose last is number 4
            if name.endswith(".4"):
                layer.weight *= RESIDUAL_BRANCH
            continue
        if layer is not encoder[0]:
            layer.weight *= UNTRAINED_CHANNELS
        layer.weight[:3] = 0
        layer.weight[[0, 1, 2], [0, 1, 2], 1, 1] = 1
    # Colours are 0 to 1 inside, and about -2 to 2 as latents.
    encoder[-1].weight[:3] *= 4
    encoder[-1].bias[:3] = -2
    decoder[0].weight[:3] /= 4
    decoder[0].bias[:3] = 0.5


class Reconstruction(nn.Module):
    """The loss: absolute and squared error, with latents kept standard normal in each channel's mean and deviation.

    Without the square a grey person is the first thing learnt, and long the last. With it, outlines stay soft where
    latents do not say to the pixel where they are.
    """

    def __init__(self, autoencoder: AutoencoderTiny, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.autoencoder, self.settings = autoencoder, settings

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`, and its part `reconstruction`, for `picture` (B, 3, S, S) in [-1, 1], of whose own latents unless
        there are `latents` (B, 4, S/8, S/8).
        """
        pictures = batch["picture"]
        latents = batch["latents"] if "latents" in batch else self.autoencoder.encode(pictures).latents
        noise = torch.randn_like(latents) * self.settings.latent_noise if self.training else 0.0
        decoded = self.autoencoder.decode(latents + noise).sample
        reconstruction = functional.l1_loss(decoded, pictures)
        error = reconstruction + self.settings.squared_error_weight * functional.mse_loss(decoded.float(), pictures)
        deviation, mean = torch.std_mean(latents.float(), dim=(0, 2, 3))
        spread = (mean.square() + (deviation - 1).square()).mean()
        return {"loss": error + self.settings.latent_weight * spread, "reconstruction": reconstruction}


class AutoencoderTask:
    """See `loop.Task`."""

    def __init__(self, settings: AutoencoderSettings, accelerator: Accelerator) -> None:
        self.settings = settings
        self.model = Reconstruction(_initial_autoencoder(settings), settings)
        if not 8 <= settings.crop <= settings.size or settings.crop % 8:
            raise SettingsError(f"crop: must be a multiple of 8, at most the size {settings.size}, got {settings.crop}")
        seed, pairs = settings.training.seed, settings.data.pairs("train")
        self.data: TrainingData = PictureSamples(pairs, settings.size, settings.crop, seed)
        if settings.denoised:
            file = settings.output / "denoised.safetensors"
            denoised = denoised_latents(
                file, accelerator, settings.denoised, self.model.autoencoder, pairs, settings.size, seed
            )
            self.data = DenoisedSamples(pairs, denoised, settings.size, settings.crop, seed)
        held_out = PictureSamples(settings.data.pairs("test"), settings.size, settings.size, seed)
        self.held_out = torch.stack([held_out[number]["picture"] for number in range(SHEET_PICTURES)])

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Held-out pictures beside what comes back of them, and their mean absolute error."""
        pictures = self.held_out.to(self.model.autoencoder.device)
        scores = {"held-out reconstruction": self.model({"picture": pictures})["reconstruction"].item()}
        pictures_back = self.model.autoencoder.decode(self.model.autoencoder.encode(pictures).latents).sample
        rows = [list(map(sheet_picture, row)) for row in zip(pictures, pictures_back, strict=True)]
        return contact_sheet(rows, ("picture", "decoded")), scores

    def export(self) -> None:
        """`autoencoder/`, a diffusers folder in float32, and `taesd.safetensors`, the same under ComfyUI's names, in
        float16 where that holds its numbers.
        """
        output, autoencoder = self.settings.output, self.model.autoencoder
        unfinished = output / "autoencoder.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        save_network(autoencoder, unfinished)
        replace_folder(unfinished, output / "autoencoder")
        state = taesd_state(autoencoder.state_dict())
        try:
            write_tensors(output / "taesd.safetensors", state, dtype=torch.float16)
        except CheckpointError as error:
            logger.warning("taesd.safetensors is written in fp32: %s", error)
            write_tensors(output / "taesd.safetensors", state)


def _initial_autoencoder(settings: AutoencoderSettings) -> AutoencoderTiny:
    if settings.denoised and not settings.decoder_of:
        raise SettingsError("denoised: trains a decoder further; say by decoder_of which")
    if settings.autoencoder_of and settings.decoder_of:
        raise SettingsError("autoencoder_of: is all that decoder_of is and more; give one of them")
    if settings.autoencoder_of:
        return _earlier_autoencoder("autoencoder_of", settings.autoencoder_of)
    if settings.decoder_of:
        autoencoder = _earlier_autoencoder("decoder_of", settings.decoder_of)
        autoencoder.encoder.requires_grad_(False)
        return autoencoder
    autoencoder = AutoencoderTiny()
    carry_colours(autoencoder)
    return autoencoder


def _earlier_autoencoder(setting: str, folder: Path) -> AutoencoderTiny:
    if not (folder / "config.json").is_file():
        raise SettingsError(f"{setting}: '{folder}' is no autoencoder that train-autoencoder made")
    return AutoencoderTiny.from_pretrained(folder, local_files_only=True)
