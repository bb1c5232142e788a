"""The pipeline to evaluate: a published or trained CFLD, or an ablation of it."""

import json
from pathlib import Path

import torch
from safetensors import safe_open

from ..checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, Checkpoint, build_networks, load_checkpoint
from ..networks.config import CFLDConfig, CheckpointError
from ..pipeline.base_model import load_base_model
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.lora import fuse_lora
from ..pipeline.schedulers import published_scheduler
from ..pipeline.unet_patch import patch_unet
from ..settings import SettingsError, parse_settings


def load_pipeline(base: Path, cfld: Path, scheduler: str = "ddpm", lora: Path | None = None) -> CFLDPipeline:
    """A pipeline in float32.

    Args:
        base: Stable Diffusion 1.5, or what `train` wrote as `base/`.
        cfld: a .safetensors of `train` or `convert`, or the authors' folder.
        lora: fused to the U-Net beside what CFLD trained.

    Raises:
        CheckpointError: when one of them cannot be used.
    """
    checkpoint = _load_ablation(cfld) or load_checkpoint(cfld)
    unet, vae = load_base_model(base, torch.float32)
    patch_unet(unet, checkpoint.key_values)
    if lora:
        fuse_lora(unet, lora)
    return CFLDPipeline(unet, vae, published_scheduler(scheduler), build_networks(checkpoint).float())


def _load_ablation(path: Path) -> Checkpoint | None:
    """An ablated model that `train` wrote; None for anything else, which `load_checkpoint` then reads or refuses."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        stored = (file.metadata() or {}).get("config")
        if stored is None:
            return None
        try:
            config = parse_settings(json.loads(stored), CFLDConfig)
        except SettingsError as error:
            raise CheckpointError(f"'{path.name}' was written by another version: {error}") from error
        if config.hga and config.context == "prd":
            return None
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    key_values = {name: tensors.pop(f"unet.{name}") for name in KEY_VALUE_NAMES}
    return Checkpoint(config, tensors, key_values)
