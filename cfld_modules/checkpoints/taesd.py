"""Renames the tensors of diffusers' AutoencoderTiny to the names of ComfyUI's TAESD class."""

import re
from collections.abc import Mapping

import torch

SD15_SCALE = 0.18215  # by which ComfyUI multiplies latents on the way in, and which its TAESD class takes back


def taesd_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict of diffusers' names as one of ComfyUI's, with the scale that SD 1.5's latents have there.

    ComfyUI's decoder begins with a clamp that diffusers' does outside its list of layers, hence the numbers are one
    higher.
    """
    comfyui_state = {"vae_scale": torch.tensor(SD15_SCALE), "vae_shift": torch.tensor(0.0)}
    for name, tensor in state.items():
        if match := re.fullmatch(r"encoder\.layers\.(.*)", name):
            comfyui_state[f"taesd_encoder.{match[1]}"] = tensor
        elif match := re.fullmatch(r"decoder\.layers\.(\d+)(\..*)", name):
            comfyui_state[f"taesd_decoder.{int(match[1]) + 1}{match[2]}"] = tensor
    return comfyui_state
