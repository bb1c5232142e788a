"""The goldens' tiny U-Net and autoencoders as diffusers' models, and files of them."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

from cfld_modules.pipeline.lora import add_lora, save_lora
from tests import golden


def empty_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(64, 128, 256, 256), cross_attention_dim=64, attention_head_dim=8, sample_size=32
    )


def tiny_unet() -> UNet2DConditionModel:
    """The goldens' U-Net, SD 1.5's layout at widths 64, 128, 256, 256 and context 64."""
    unet = empty_unet()
    unet.load_state_dict(golden.unet_state())
    return unet.requires_grad_(False).eval()


def tiny_vae() -> AutoencoderKL:
    """SD 1.5's autoencoder at width 32; not the authors' (the goldens end at latents), but filled by the same rule."""
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2,
    )
    vae.load_state_dict(golden.parameters({name: tensor.shape for name, tensor in vae.state_dict().items()}, "vae."))
    return vae.requires_grad_(False).eval()


def tiny_autoencoder() -> AutoencoderTiny:
    """TAESD's architecture at width 8, filled by the rule."""
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)
    vae.load_state_dict(golden.parameters({name: tensor.shape for name, tensor in vae.state_dict().items()}, "taesd."))
    return vae.requires_grad_(False).eval()


def write_lora(file: Path) -> None:
    """Of random numbers, for the tiny U-Net."""
    unet = tiny_unet()
    add_lora(unet, 2)
    for name, parameter in unet.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(torch.from_numpy(golden.normal(name, tuple(parameter.shape))) / 4)
    save_lora(file, unet, torch.float32)


def write_base_folder(folder: Path, vae: AutoencoderKL | AutoencoderTiny | None = None) -> Path:
    """A diffusers folder with the tiny U-Net and a VAE (`tiny_vae` unless given)."""
    tiny_unet().save_pretrained(folder / "unet")
    (vae or tiny_vae()).save_pretrained(folder / "vae")
    return folder


def write_other_base(folder: Path) -> None:
    """SD 1.5's layout with another context width, as another generation of Stable Diffusion has."""
    unet = UNet2DConditionModel(block_out_channels=(32, 32, 32, 32), cross_attention_dim=16, attention_head_dim=8)
    unet.save_pretrained(folder / "unet")
    tiny_autoencoder().save_pretrained(folder / "vae")
