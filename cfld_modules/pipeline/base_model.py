"""Stable Diffusion 1.5 (U-Net and VAE) for the diffusers pipeline, from a diffusers folder or a single file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME

from ..checkpoints.tensor_files import are_finite, read_tensors, write_tensors
from ..errors import CheckpointError

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
UNET_CLASSES = {"UNet2DConditionModel": UNet2DConditionModel}
VAE_CLASSES = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}

Vae: TypeAlias = AutoencoderKL | AutoencoderTiny
State = Mapping[str, torch.Tensor]


def load_base_model(path: str | os.PathLike, dtype: torch.dtype = torch.float32) -> tuple[UNet2DConditionModel, Vae]:
    """SD 1.5's U-Net and VAE, frozen, from a diffusers folder or one checkpoint file; or CheckpointError."""
    path = Path(path)
    if path.is_dir():
        unet, vae = _read_part(path, "unet", UNET_CLASSES, dtype), _read_part(path, "vae", VAE_CLASSES, dtype)
    elif path.is_file():
        unet, vae = _read_file(path, dtype)
    else:
        raise CheckpointError(f"'{path}' does not exist; give a diffusers folder of SD 1.5 or its checkpoint file")
    for part, module in (("U-Net", unet), ("VAE", vae)):
        module.requires_grad_(False).train(False)
        for name, weight in module.state_dict().items():
            if not are_finite(weight):
                raise CheckpointError(
                    f"'{path.name}': the {part}'s '{name}' is not finite in {str(dtype).removeprefix('torch.')}; "
                    "choose another precision (fp32 or bf16), or copy the file again"
                )
    return unet, vae


def save_network(network: ModelMixin, folder: Path, dtype: torch.dtype | None = None) -> None:
    """What `save_pretrained` writes, in `dtype`, but readable by others than the owner, and without the name of the
    folder that it was loaded from; finite, or CheckpointError.
    """
    network.save_config(folder)
    config = folder / network.config_name
    arguments = json.loads(config.read_bytes())
    arguments.pop("_name_or_path", None)
    if isinstance(network, AutoencoderTiny):  # diffusers writes a key which it then complains of
        del arguments["block_out_channels"]
    config.write_text(f"{json.dumps(arguments, indent=2, sort_keys=True)}\n", encoding="utf-8")
    write_tensors(folder / SAFETENSORS_WEIGHTS_NAME, network.state_dict(), {"format": "pt"}, dtype)


def sd15_unet_config(widths: tuple[int, ...] = (320, 640, 1280, 1280), context_width: int = 768) -> dict:
    """Arguments of UNet2DConditionModel for SD 1.5's layout (docs/method.md, section 5), at any widths."""
    return {
        "block_out_channels": widths,
        "cross_attention_dim": context_width,
        "attention_head_dim": 8,  # in SD 1.5's config this is the number of heads
    }


def _read_part(folder: Path, part: str, classes: Mapping[str, type[ModelMixin]], dtype: torch.dtype) -> ModelMixin:
    config = folder / part / "config.json"
    if not config.is_file():
        raise CheckpointError(f"'{folder}' has no {part}/config.json, so it is not a diffusers folder of SD 1.5")
    try:
        content = json.loads(config.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"'{config}' is damaged ({error}); copy or download the folder again") from error
    name = content.get("_class_name") if isinstance(content, dict) else None
    if not isinstance(name, str) or name not in classes:
        raise CheckpointError(f"the {part} in '{folder}' is a {name}, not a {' or '.join(classes)} as SD 1.5 has it")
    try:
        return classes[name].from_pretrained(folder, subfolder=part, torch_dtype=dtype, local_files_only=True)
    except Exception as error:  # of a damaged file, or sizes that do not fit, diffusers raises many kinds
        raise CheckpointError(
            f"the {part} in '{folder}' cannot be read: {error}; copy or download the folder again"
        ) from error


def _read_file(path: Path, dtype: torch.dtype) -> tuple[UNet2DConditionModel, Vae]:
    prefixes = (UNET_PREFIX, VAE_PREFIX)
    state = {name: tensor.to(dtype) for name, tensor in read_tensors(path).items() if name.startswith(prefixes)}
    try:
        return _build_unet(state), _build_vae(state)
    except KeyError as error:
        raise CheckpointError(
            f"'{path.name}' has no tensor {error}, so it is not Stable Diffusion 1.5 with its VAE; "
            "give a full SD 1.5 checkpoint or a diffusers folder"
        ) from error
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise CheckpointError(
            f"'{path.name}' is not built like Stable Diffusion 1.5; give a plain SD 1.5 checkpoint, not one for "
            f"inpainting or of another generation ({error})"
        ) from error


def _build_unet(state: State) -> UNet2DConditionModel:
    widths = tuple(state[f"{UNET_PREFIX}input_blocks.{i}.0.out_layers.3.weight"].shape[0] for i in (1, 4, 7, 10))
    context = state[f"{UNET_PREFIX}output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight"].shape[1]
    with torch.device("meta"):
        unet = UNet2DConditionModel(**sd15_unet_config(widths, context))
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(state), dict(unet.config)), assign=True)
    return unet


def _build_vae(state: State) -> AutoencoderKL:
    down = VAE_PREFIX + "encoder.down"
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=tuple(state[f"{down}.{level}.block.0.conv2.weight"].shape[0] for level in range(4)),
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2, latent_channels=4, sample_size=512, scaling_factor=0.18215,
        )
    vae.load_state_dict(convert_ldm_vae_checkpoint(dict(state), dict(vae.config)), assign=True)
    return vae
