"""LoRA on the U-Net: added to be trained, in files of kohya's format, which ComfyUI reads, and fused to sample with."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from ..checkpoints.tensor_files import read_tensors, write_tensors
from ..errors import CheckpointError

# Those of the published latent consistency LoRAs: all layers but the first, the last and the timestep's.
LAYERS = (
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "time_emb_proj", "conv1",
    "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv",
)  # fmt: skip
# kohya's names, lora_unet_<layer, with underscores for dots>.lora_down.weight and so on, beside a text encoder's.
PREFIX, TEXT_ENCODER = "lora_unet_", "lora_te"
DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"


def add_lora(unet: UNet2DConditionModel, rank: int) -> None:
    """Put a LoRA that changes nothing yet on the U-Net, of which it alone has gradients then."""
    from peft import LoraConfig  # of requirements-train.txt

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(LAYERS)))


def save_lora(file: Path, unet: UNet2DConditionModel, dtype: torch.dtype) -> None:
    """Write the LoRA that `add_lora` put on the U-Net."""
    from peft import get_peft_model_state_dict

    tensors = {}
    for name, tensor in get_peft_model_state_dict(unet).items():
        layer, part = _in_file(name)
        tensors[f"{layer}.{part}"] = tensor.detach()
        if part == DOWN:
            tensors[f"{layer}.{ALPHA}"] = torch.tensor(float(len(tensor)))  # the rank, for a strength of 1
    write_tensors(file, tensors, dtype=dtype)


@torch.no_grad()
def load_lora(unet: UNet2DConditionModel, file: Path) -> None:
    """Begin the LoRA that `add_lora` put on the U-Net with one that `save_lora` wrote.

    Raises CheckpointError when it is for another model or of another rank.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    state, tensors = get_peft_model_state_dict(unet), read_tensors(file)
    try:
        for name, tensor in state.items():
            layer, part = _in_file(name)
            strength = tensors[f"{layer}.{ALPHA}"].item() / len(tensors[f"{layer}.{DOWN}"])
            loaded = tensors[f"{layer}.{part}"].to(tensor) * (strength if part == UP else 1.0)
            if loaded.shape != tensor.shape:
                raise ValueError(f"{layer}.{part} is {tuple(loaded.shape)}, not {tuple(tensor.shape)}")
            state[name] = loaded
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"'{file.name}' is no LoRA that 'distil' wrote for this base model with this rank ({error})"
        ) from error
    set_peft_model_state_dict(unet, state)


def _in_file(name: str) -> tuple[str, str]:
    """The layer and the part by which a file has a weight that peft calls `name`."""
    layer, part = name.removesuffix(".weight").rsplit(".", 1)
    return PREFIX + layer.replace(".", "_"), DOWN if part == "lora_A" else UP


@torch.no_grad()
def fuse_lora(unet: UNet2DConditionModel, file: Path) -> None:
    """Add a LoRA to the U-Net's weights, at strength 1; what it has for a text encoder is left out.

    Raises CheckpointError when the file is no LoRA in kohya's format for this U-Net, which then is as it was.
    """
    if not file.is_file():
        raise CheckpointError(f"'{file}' does not exist; give a LoRA's .safetensors")
    tensors = {name: tensor for name, tensor in read_tensors(file).items() if not name.startswith(TEXT_ENCODER)}
    weights = {
        PREFIX + name.replace(".", "_"): module.weight
        for name, module in unet.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    }
    try:
        layers = {name.partition(".")[0] for name in tensors}
        changes = {layer: _change(tensors, layer, weights[layer].shape) for layer in sorted(layers)}
        if tensors or not changes:
            raise KeyError(min(tensors, default=PREFIX))
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"'{file.name}' is no LoRA for this base model, or not one in kohya's format ({error}); give one for "
            "Stable Diffusion 1.5, or what 'distil' wrote for this very model"
        ) from error
    for layer, change in changes.items():
        weights[layer] += change.to(weights[layer].dtype)


def _change(tensors: dict[str, torch.Tensor], layer: str, shape: torch.Size) -> torch.Tensor:
    """What a layer's LoRA, taken out of `tensors`, adds to a weight of that shape; or KeyError, ValueError."""
    down, up = (tensors.pop(f"{layer}.{part}") for part in (DOWN, UP))
    rank = max(down.shape[:1].numel(), 1)
    alpha = tensors.pop(f"{layer}.{ALPHA}", torch.tensor(float(rank)))
    for part, tensor, count in ((DOWN, down, rank * shape[1:].numel()), (UP, up, shape[0] * rank), (ALPHA, alpha, 1)):
        if tensor.numel() != count or not (tensor.is_floating_point() or part == ALPHA and not tensor.is_complex()):
            raise ValueError(f"{layer}.{part} is {tensor.dtype} {tuple(tensor.shape)}")
    change = (up.float().view(-1, rank) @ down.float().view(rank, -1)).view(shape) * (alpha.item() / rank)
    if not change.isfinite().all():
        raise ValueError(f"{layer} holds NaN or infinite numbers")
    return change
