"""Stable Diffusion 1.5's single-file layout: what diffusers calls a tensor, and what the file calls it.

The inverse of what `cfld_modules.pipeline.base_model` reads, written apart from it.
"""

import re
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file

State = dict[str, torch.Tensor]

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
UNET = [
    (r"time_embedding\.linear_1", lambda m: "time_embed.0"),
    (r"time_embedding\.linear_2", lambda m: "time_embed.2"),
    (r"conv_in", lambda m: "input_blocks.0.0"),
    (r"conv_norm_out", lambda m: "out.0"),
    (r"conv_out", lambda m: "out.2"),
    (r"down_blocks\.(\d)\.resnets\.(\d)\.(\w+)", lambda m: f"input_blocks.{_down(m)}.0.{RESNET[m[3]]}"),
    (r"down_blocks\.(\d)\.attentions\.(\d)", lambda m: f"input_blocks.{_down(m)}.1"),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv", lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op"),
    (r"mid_block\.resnets\.(\d)\.(\w+)", lambda m: f"middle_block.{2 * int(m[1])}.{RESNET[m[2]]}"),
    (r"mid_block\.attentions\.0", lambda m: "middle_block.1"),
    (r"up_blocks\.(\d)\.resnets\.(\d)\.(\w+)", lambda m: f"output_blocks.{_up(m)}.0.{RESNET[m[3]]}"),
    (r"up_blocks\.(\d)\.attentions\.(\d)", lambda m: f"output_blocks.{_up(m)}.1"),
    # The first up level has no attention, so that its upsampler comes second.
    (r"up_blocks\.0\.upsamplers\.0\.conv", lambda m: "output_blocks.2.1.conv"),
    (r"up_blocks\.(\d)\.upsamplers\.0\.conv", lambda m: f"output_blocks.{3 * int(m[1]) + 2}.2.conv"),
]
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
VAE = [
    (r"encoder\.down_blocks\.(\d)\.resnets\.(\d)", lambda m: f"encoder.down.{m[1]}.block.{m[2]}"),
    (r"encoder\.down_blocks\.(\d)\.downsamplers\.0", lambda m: f"encoder.down.{m[1]}.downsample"),
    (r"decoder\.up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"decoder.up.{3 - int(m[1])}.block.{m[2]}"),
    (r"decoder\.up_blocks\.(\d)\.upsamplers\.0", lambda m: f"decoder.up.{3 - int(m[1])}.upsample"),
    (r"(\w+)\.mid_block\.resnets\.(\d)", lambda m: f"{m[1]}.mid.block_{int(m[2]) + 1}"),
    (r"(\w+)\.mid_block\.attentions\.0\.(\w+(?:\.0)?)(?=\.)", lambda m: f"{m[1]}.mid.attn_1.{VAE_ATTENTION[m[2]]}"),
    (r"(\w+)\.conv_norm_out", lambda m: f"{m[1]}.norm_out"),
]


def _down(match: re.Match) -> int:
    return 3 * int(match[1]) + int(match[2]) + 1


def _up(match: re.Match) -> int:
    return 3 * int(match[1]) + int(match[2])


def ldm_state(unet: UNet2DConditionModel, vae: AutoencoderKL) -> State:
    """The tensors of both as a single file holds them."""
    state = {f"model.diffusion_model.{_renamed(name, UNET)}": tensor for name, tensor in unet.state_dict().items()}
    for name, tensor in vae.state_dict().items():
        new = _renamed(name, VAE).replace("conv_shortcut", "nin_shortcut")
        is_projection = re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight$", new)
        state[f"first_stage_model.{new}"] = tensor[..., None, None] if is_projection else tensor
    return state


def write_ldm_file(path: Path, unet: UNet2DConditionModel, vae: AutoencoderKL) -> Path:
    """One .safetensors, or a .ckpt with the table under "state_dict"."""
    state = {name: tensor.contiguous() for name, tensor in ldm_state(unet, vae).items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "global_step": 1}, path)
    return path


def _renamed(name: str, rules: list) -> str:
    for pattern, new in rules:
        if match := re.match(pattern, name):
            return new(match) + name[match.end() :]
    return name
