"""A tiny autoencoder under the names of ComfyUI's TAESD class."""

import re

import torch
from diffusers import AutoencoderTiny

SD15_SCALE = 0.18215  # by which ComfyUI multiplies latents on the way in, and which its TAESD class takes back


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
