"""`train`: CFLD from pairs, by the paper's recipe (docs/method.md, section 11), or a small one wholly from scratch."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.data import default_collate

from ..checkpoints.atomic_files import replace_folder
from ..checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, Checkpoint, save_checkpoint
from ..data.formats import DataSet
from ..evaluation.generate import held_out_sheet
from ..pipeline.base_model import save_network
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.schedulers import published_scheduler
from ..settings import Bound
from .denoiser import Denoiser, Loss
from .initial_weights import ModelSettings, build_models
from .latents import cached_posteriors
from .loop import LoopSettings
from .samples import Augmentation, PairSamples

SHEET_PAIRS, SHEET_STEPS = 6, 20
HELD_OUT_SAMPLES, HELD_OUT_BATCH = 64, 8
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class TrainSettings:
    """A configuration file of `train`.

    Attributes:
        output: folder of the run; training goes on from the last checkpoint in it.
        latent_side: of the latents that are denoised, an eighth of their pictures in pixels; where not given, the
            paper's, a quarter of what the source encoder sees. Larger ones get appearance and pose resampled.
        latents: a file to keep every photograph's latents in, which are then encoded once, before training; worth it
            for small pictures. Runs with the same photographs and autoencoder can share it.
        export_dtype: precision of the files written in the end.
    """

    output: Path
    data: DataSet
    training: LoopSettings
    model: ModelSettings = field(default_factory=ModelSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    latent_side: Annotated[int, Bound(ge=8, le=1024, multiple_of=8)] | None = None
    latents: Path | None = None
    loss: Loss = "epsilon"
    export_dtype: Literal["fp32", "fp16"] = "fp32"

    def task(self, accelerator: Accelerator) -> "DenoisingTask":
        return DenoisingTask(self, accelerator)


class DenoisingTask:
    """See `loop.Task`."""

    def __init__(self, settings: TrainSettings, accelerator: Accelerator) -> None:
        self.settings = settings
        cfld, unet, vae = build_models(settings.model)
        self.model = Denoiser(cfld, unet, vae, settings.model.train_unet == "all", settings.loss)
        size, seed = cfld.config.source.image_size, settings.training.seed
        side = settings.latent_side or size // 4
        unet.register_to_config(sample_size=side)
        pairs = settings.data.pairs("train")
        self.held_out = settings.data.pairs("test")
        posteriors = None
        if settings.latents:
            vae.to(accelerator.device, memory_format=torch.channels_last)
            posteriors = cached_posteriors(settings.latents, accelerator, vae, pairs, 8 * side)
        self.data = PairSamples(pairs, size, side, seed, settings.augmentation, posteriors)
        self.held_out_data = PairSamples(self.held_out, size, side, seed, settings.augmentation)

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Source, pose, result and truth of held-out pairs; the loss on others."""
        pipeline = CFLDPipeline(self.model.unet, self.model.vae, published_scheduler("ddim"), self.model.cfld)
        sheet = held_out_sheet(pipeline, self.held_out, SHEET_PAIRS, SHEET_STEPS)
        return sheet, {"held-out loss": self._held_out_loss()}

    def export(self) -> None:
        """`cfld.safetensors`, of an ablation for `evaluate` alone, and where the whole U-Net was trained `base/`, a
        diffusers folder of it and the autoencoder.
        """
        settings, model = self.settings, self.model
        dtype = DTYPES[settings.export_dtype]
        networks = {name: tensor.detach().cpu() for name, tensor in model.cfld.state_dict().items()}
        key_values = {name: model.unet.get_parameter(name).detach().cpu() for name in KEY_VALUE_NAMES}
        checkpoint = Checkpoint(model.cfld.config, networks, key_values)
        save_checkpoint(settings.output / "cfld.safetensors", checkpoint, dtype)
        if settings.model.train_unet == "all":
            unfinished, base = settings.output / "base.part", settings.output / "base"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part, module in (("unet", model.unet), ("vae", model.vae)):
                save_network(module, unfinished / part, dtype)
            replace_folder(unfinished, base)

    def _held_out_loss(self) -> float:
        losses = []
        for first in range(0, HELD_OUT_SAMPLES, HELD_OUT_BATCH):
            batch = default_collate([self.held_out_data[number] for number in range(first, first + HELD_OUT_BATCH)])
            device = self.model.cfld.device
            losses.append(self.model({name: tensor.to(device) for name, tensor in batch.items()})["loss"].item())
        return float(np.mean(losses))
