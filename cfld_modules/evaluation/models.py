"""The pipeline to evaluate: a published or trained CFLD, or an ablation of it."""

import json
from pathlib import Path

import torch

from ..checkpoints.cfld_checkpoint import (
    KEY_VALUE_NAMES,
    Checkpoint,
    build_networks,
    checked_checkpoint,
    load_checkpoint,
)
from ..checkpoints.tensor_files import read_metadata, read_tensors
from ..errors import CheckpointError
from ..networks.compact import Compact
from ..networks.config import CFLDConfig, check_sizes
from ..pipeline.base_model import load_base_model
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.lora import fuse_lora
from ..pipeline.schedulers import published_scheduler
from ..pipeline.unet_patch import patch_unet
from ..settings import parse_settings


def load_pipeline(
    base: Path, cfld: Path, scheduler: str = "ddpm", lora: Path | None = None, steps: int | None = None
) -> CFLDPipeline:
    """A pipeline in float32.

    Args:
        base: Stable Diffusion 1.5, or what `train` wrote as `base/`.
        cfld: a .safetensors of `train` or `convert`, or the authors' folder.
        lora: fused to the U-Net beside what CFLD trained.
        steps: see `published_scheduler`.

    Raises:
        CheckpointError: when one of them cannot be used.
        StepsError: when the scheduler cannot do so many steps.
    """
    sampler = published_scheduler(scheduler, steps)
    checkpoint = _load_ablation(cfld) or load_checkpoint(cfld)
    unet, vae = load_base_model(base, torch.float32)
    patch_unet(unet, checkpoint.key_values)
    if lora:
        fuse_lora(unet, lora)
    return CFLDPipeline(unet, vae, sampler, build_networks(checkpoint).float())


def load_upscaler(file: Path) -> Compact:
    """The network that `train-upscaler` wrote there, in float32."""
    upscaler = Compact()
    upscaler.load_state_dict(read_tensors(file))
    return upscaler.requires_grad_(False)


def _load_ablation(path: Path) -> Checkpoint | None:
    """An ablated model that `train` wrote; None for anything else, which `load_checkpoint` then reads or refuses."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return None
    metadata = read_metadata(path)
    if "config" not in metadata:
        return None
    try:
        config = parse_settings(json.loads(metadata["config"]), CFLDConfig)
    except (ValueError, RecursionError) as error:  # SettingsError is a ValueError
        raise CheckpointError(f"'{path.name}' was written by another version: {error}") from error
    if config.hga and config.context == "prd":
        return None
    tensors = read_tensors(path)
    key_values = {name: tensors.pop(f"unet.{name}") for name in KEY_VALUE_NAMES if f"unet.{name}" in tensors}
    try:
        check_sizes(config)
        return checked_checkpoint(config, tensors, key_values)
    except CheckpointError as error:
        raise CheckpointError(f"'{path.name}' cannot be used: {error}") from error
