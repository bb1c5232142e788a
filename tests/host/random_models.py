"""Model files with random weights, small enough for a CPU, that the real ComfyUI's own loaders recognise."""

from pathlib import Path

import comfy.cldm.cldm
import comfy.ops
import comfy.sd1_clip
import comfy.taesd.taesd
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import save_file

from cfld_modules.checkpoints.appearance_file import save_appearance
from cfld_modules.checkpoints.cfld_checkpoint import (
    KEY_VALUE_NAMES,
    Checkpoint,
    build_networks,
    load_checkpoint,
    save_checkpoint,
)
from cfld_modules.demo_model import CFLD_FILE
from cfld_modules.demo_people import demo_photo
from cfld_modules.networks.config import (
    AppearanceConfig,
    CFLDConfig,
    DecoderConfig,
    PoseAdapterConfig,
    SourceEncoderConfig,
)
from cfld_modules.networks.model import CFLD
from cfld_modules.poses.framing import fit_box, prepare_picture

WIDTH = 320
CONTEXT = 768

# Stable Diffusion 1.5 with every level as wide as the first: 111 M parameters, all 16 cross-attentions.
SD15_UNET = {
    "image_size": 32, "in_channels": 4, "model_channels": WIDTH, "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 1, 1, 1], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "context_dim": CONTEXT, "use_spatial_transformer": True, "num_heads": 8, "num_head_channels": -1, "legacy": False,
}
SD15_OUTPUTS = {"out_channels": 4, "transformer_depth_output": [1] * 9 + [0] * 3}
# The smallest member of the SDXL family that the host knows.
SDXL_UNET = SD15_UNET | {
    "num_res_blocks": [2, 2, 2], "channel_mult": [1, 1, 1], "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_middle": -1, "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2], "out_channels": 4,
    "context_dim": 2048, "num_heads": -1, "num_head_channels": 64, "use_linear_in_transformer": True,
    "num_classes": "sequential", "adm_in_channels": 2816,
}
# Latents of 32x32 are its trained size.
CFLD_CONFIG = CFLDConfig(
    source=SourceEncoderConfig(image_size=128, width=32, depths=(2, 2, 2, 2), heads=(1, 2, 4, 8), window=4),
    appearance=AppearanceConfig(inner_widths=(32, 32, 32), output_widths=(WIDTH,) * 3, depth=1),
    decoder=DecoderConfig(queries=16, width=CONTEXT, depth=1, heads=24),
    pose=PoseAdapterConfig(widths=(WIDTH,) * 3),
)


def write_base_model(path: Path) -> None:
    """A Stable Diffusion 1.5 checkpoint, its VAE a TAESD, its text encoder of the one size that the host knows."""
    unet = _random(UNetModel(**SD15_UNET, **SD15_OUTPUTS, **_on_meta()), seed=1)
    vae = {}
    for name in ("encoder", "decoder"):
        part = getattr(comfy.taesd.taesd, name.capitalize())()
        vae |= {f"taesd_{name}.{key}": tensor for key, tensor in _random(part, seed=2).items()}
    text = _random(comfy.sd1_clip.SD1ClipModel(device="meta", dtype=torch.half).clip_l.transformer, seed=8)
    parts = {"model.diffusion_model": unet, "first_stage_model": vae, "cond_stage_model.transformer": text}
    save_file({f"{part}.{name}": tensor for part in parts for name, tensor in parts[part].items()}, path)


def write_sdxl_model(path: Path) -> None:
    shapes = {name: tensor.shape for name, tensor in UNetModel(**SDXL_UNET, **_on_meta()).state_dict().items()}
    save_file(
        {f"model.diffusion_model.{name}": torch.zeros(shape, dtype=torch.half) for name, shape in shapes.items()}, path
    )


def write_control_net(path: Path) -> None:
    network = comfy.cldm.cldm.ControlNet(**SD15_UNET, hint_channels=3, **_on_meta())
    save_file(_random(network, seed=3), path)


def write_demo_appearance(path: Path) -> None:
    """A bundled person as Save Appearance keeps it, for the demo model."""
    networks = build_networks(load_checkpoint(CFLD_FILE)).float()
    picture = demo_photo(0, 0).image
    pixels = prepare_picture(picture, fit_box(352, 512, "pad"), networks.config.source.image_size)
    with torch.no_grad():
        save_appearance(path, networks, networks.encode_source(pixels[None]), [])


def write_lora(path: Path, rank: int = 4) -> None:
    """A LoRA on the queries, keys and values of the up path's cross-attentions, in kohya's names."""
    generator = torch.Generator().manual_seed(4)
    tensors = {}
    for name in KEY_VALUE_NAMES[::2]:
        for part, width in (("q", WIDTH), ("k", CONTEXT), ("v", CONTEXT)):
            layer = "lora_unet_" + name.removesuffix("k.weight").replace(".", "_") + part
            tensors[f"{layer}.lora_down.weight"] = torch.randn(rank, width, generator=generator) / width**0.5
            tensors[f"{layer}.lora_up.weight"] = torch.randn(WIDTH, rank, generator=generator) / rank**0.5
    save_file(tensors, path)


def write_upscaler(path: Path) -> None:
    """A fourfold ESRGAN of one block."""
    from spandrel.architectures.ESRGAN import ESRGAN

    save_file(_random(ESRGAN(num_filters=8, num_blocks=1), seed=5), path)


def write_taesd(folder: Path) -> None:
    """An untrained TAESD, as its author has it: a file each for the encoder and the decoder."""
    from comfy.taesd.taesd import Decoder, Encoder

    for name, network in (("encoder", Encoder(4)), ("decoder", Decoder(4))):
        save_file(_random(network, seed=6), folder / f"taesd_{name}.safetensors")


def random_cfld() -> Checkpoint:
    with torch.device("meta"):
        networks = CFLD(CFLD_CONFIG)
    generator = torch.Generator().manual_seed(7)
    matrices = {name: torch.randn(WIDTH, CONTEXT, generator=generator) / CONTEXT**0.5 for name in KEY_VALUE_NAMES}
    checkpoint = Checkpoint(CFLD_CONFIG, _random(networks, seed=6, dtype=torch.float32), matrices)
    build_networks(checkpoint)  # raises when a tensor is missing
    return checkpoint


def write_cfld(path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(path, checkpoint)


def write_authors_pair(folder: Path, checkpoint: Checkpoint) -> None:
    folder.mkdir()
    torch.save(checkpoint.networks, folder / "pytorch_model.bin")
    matrices = {f"model.{name}": matrix for name, matrix in checkpoint.key_values.items()}
    torch.save(matrices, folder / "pytorch_model_1.bin")


def _on_meta() -> dict:
    return {"device": "meta", "dtype": torch.half, "operations": comfy.ops.disable_weight_init}


def _random(network: torch.nn.Module, seed: int, dtype: torch.dtype = torch.half) -> dict[str, torch.Tensor]:
    """Weights that keep the scale of what passes through them: norms of one, no biases.

    All are pieces of one row of random numbers, since drawing 100 million takes longer than sampling with them.
    """
    generator = torch.Generator().manual_seed(seed)
    state = network.state_dict()
    largest = max(tensor.numel() for tensor in state.values())
    numbers = torch.randn(max(2**23, largest + 1), generator=generator)

    def fill(name: str, shape: torch.Size) -> torch.Tensor:
        if len(shape) < 2:
            return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
        start = int(torch.randint(len(numbers) - shape.numel(), (), generator=generator))
        return numbers[start : start + shape.numel()].view(shape) / shape[1:].numel() ** 0.5

    return {name: fill(name, tensor.shape).to(dtype) for name, tensor in state.items()}
