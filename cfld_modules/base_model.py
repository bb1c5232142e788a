"""Stable Diffusion 1.5 (U-Net and VAE) for the diffusers pipeline, from a diffusers folder or a single file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file

from .config import CheckpointError

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
VAE_CLASSES = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}

Vae = AutoencoderKL | AutoencoderTiny


def load_base_model(path: str | os.PathLike, dtype: torch.dtype = torch.float32) -> tuple[UNet2DConditionModel, Vae]:
    """SD 1.5's U-Net and VAE, frozen, from a diffusers folder or one checkpoint file.

    Raises:
        CheckpointError: when the path is neither, or the file is no SD 1.5.
    """
    path = Path(path)
    if path.is_dir():
        unet, vae = _read_folder(path)
    elif path.is_file():
        unet, vae = _read_file(path)
    else:
        raise CheckpointError(f"'{path}' does not exist; give a diffusers folder of SD 1.5 or its checkpoint file")
    for module in (unet, vae):
        module.to(dtype).requires_grad_(False).eval()
    return unet, vae


def sd15_unet_config(widths: tuple[int, ...] = (320, 640, 1280, 1280), context_width: int = 768) -> dict:
    """Arguments of UNet2DConditionModel for SD 1.5's layout (facts sheet, section 5), at any widths."""
    return {
        "block_out_channels": widths,
        "cross_attention_dim": context_width,
        "attention_head_dim": 8,  # in SD 1.5's config this is the number of heads
        "sample_size": 64,
    }


def _read_folder(folder: Path) -> tuple[UNet2DConditionModel, Vae]:
    for part in ("unet", "vae"):
        if not (folder / part / "config.json").is_file():
            raise CheckpointError(f"'{folder}' has no {part}/config.json, so it is not a diffusers folder of SD 1.5")
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", local_files_only=True)
    vae_class = VAE_CLASSES[json.loads((folder / "vae" / "config.json").read_text())["_class_name"]]
    return unet, vae_class.from_pretrained(folder, subfolder="vae", local_files_only=True)


def _read_file(path: Path) -> tuple[UNet2DConditionModel, Vae]:
    if path.suffix == ".safetensors":
        state: Mapping[str, torch.Tensor] = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = state.get("state_dict", state)
    try:
        widths = tuple(state[f"{UNET_PREFIX}input_blocks.{i}.0.out_layers.3.weight"].shape[0] for i in (1, 4, 7, 10))
        context = state[f"{UNET_PREFIX}output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight"].shape[1]
    except KeyError as error:
        raise CheckpointError(f"'{path.name}' is no Stable Diffusion 1.5 checkpoint: it has no tensor {error}") from error
    if not any(key.startswith(VAE_PREFIX) for key in state):
        raise CheckpointError(f"'{path.name}' holds no VAE; give a full SD 1.5 checkpoint or a diffusers folder")
    unet = UNet2DConditionModel(**sd15_unet_config(widths, context))
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(state), dict(unet.config)))
    vae = AutoencoderKL(**_vae_config(state))
    vae.load_state_dict(convert_ldm_vae_checkpoint(dict(state), dict(vae.config)))
    return unet, vae


def _vae_config(state: Mapping[str, torch.Tensor]) -> dict:
    encoder = VAE_PREFIX + "encoder.down"
    widths = tuple(state[f"{encoder}.{level}.block.0.conv2.weight"].shape[0] for level in range(4))
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 512,
        "scaling_factor": 0.18215,
    }
