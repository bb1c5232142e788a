"""Loads a base model from a diffusers folder of SD 1.5's layout as the host's MODEL and VAE."""

import json
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch

from ...cfld_modules.checkpoints.taesd import taesd_state
from ...cfld_modules.checkpoints.tensor_files import read_tensors

WEIGHTS = "diffusion_pytorch_model.safetensors"
# Stable Diffusion 1.5 as the host describes it, but for its widths.
SD15_LAYOUT = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3, "use_linear_in_transformer": False,
    "use_spatial_transformer": True, "legacy": False, "adm_in_channels": None, "use_temporal_attention": False,
}


def load_unet(folder: Path) -> comfy.model_patcher.ModelPatcher:
    """The U-Net of SD 1.5's layout in `folder`/unet, of any widths, as a MODEL in float32.

    The host's own loaders know only the published widths.
    """
    sizes = json.loads((folder / "unet" / "config.json").read_bytes())
    widths = sizes["block_out_channels"]
    layout = SD15_LAYOUT | {
        "model_channels": widths[0], "channel_mult": [width // widths[0] for width in widths],
        "context_dim": sizes["cross_attention_dim"],
    }
    config = comfy.supported_models.SD15(layout)
    config.set_inference_dtype(torch.float32, None)
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    state = {names[name]: tensor.float() for name, tensor in read_tensors(folder / "unet" / WEIGHTS).items()}
    model = config.get_model(state, "")
    patcher = comfy.model_patcher.CoreModelPatcher(
        model, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )
    model.load_model_weights(state, "", assign=patcher.is_dynamic())
    return patcher


def load_vae(folder: Path) -> comfy.sd.VAE:
    """The TAESD in `folder`/vae as a VAE."""
    state = {name: tensor.float() for name, tensor in read_tensors(folder / "vae" / WEIGHTS).items()}
    return comfy.sd.VAE(sd=taesd_state(state))
