"""What training starts from: Stable Diffusion 1.5 or a U-Net from scratch, and a pretrained Swin."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as functional
from diffusers import AutoencoderTiny, UNet2DConditionModel

from ..checkpoints.cfld_checkpoint import load_checkpoint
from ..checkpoints.tensor_files import read_tensors
from ..errors import CheckpointError, SettingsError
from ..networks.config import CFLDConfig, read_config
from ..networks.model import CFLD
from ..networks.swin import SourceEncoder
from ..pipeline.base_model import Vae, load_base_model, sd15_unet_config
from ..pipeline.unet_patch import patch_unet
from ..settings import Bound


@dataclass(frozen=True)
class ModelSettings:
    """What is trained; the defaults are the paper's.

    Attributes:
        base: Stable Diffusion 1.5, a diffusers folder or one file, whose U-Net and VAE are used; or else
        unet_widths, autoencoder: a U-Net of SD 1.5's layout from scratch, and what `train-autoencoder` made.
        train_unet: the 18 key and value matrices that CFLD trains, or all of the U-Net.
        backbone: pretrained Swin as its authors publish it (the paper: swin_base_patch4_window12_384_22kto1k.pth), or a
            CFLD's .safetensors, of which nothing else is taken.
        checkpoint: a CFLD of these sizes to train further: what `train` or `convert` wrote, or the authors' folder.
        cfld: sizes, and the paper's ablations.
    """

    base: Path | None = None
    unet_widths: tuple[Annotated[int, Bound(ge=32, le=8192, multiple_of=32)], ...] | None = None
    autoencoder: Path | None = None
    train_unet: Literal["key_values", "all"] = "key_values"
    gradient_checkpointing: bool = True
    backbone: Path | None = None
    checkpoint: Path | None = None
    cfld: CFLDConfig = field(default_factory=CFLDConfig)


def build_models(settings: ModelSettings) -> tuple[CFLD, UNet2DConditionModel, Vae]:
    """The networks before training.

    Raises:
        SettingsError: when settings contradict each other, or a checkpoint of these sizes could not be read back.
        CheckpointError: when a file cannot be used.
    """
    unet, vae = _base_model(settings)
    config = settings.cfld
    widths = tuple(unet.config.block_out_channels[:3])
    for key, value, expected in (
        ("appearance.output_widths", config.appearance.output_widths, widths),
        ("pose.widths", config.pose.widths, widths),
        ("decoder.width", config.decoder.width, unet.config.cross_attention_dim),
    ):
        if value != expected:
            raise SettingsError(f"model.cfld.{key}: {value} does not fit the U-Net, which needs {expected}")
    try:
        cfld = CFLD(config)
    except ValueError as error:
        raise SettingsError(f"model.cfld: {error}") from error
    if config.hga and config.context == "prd":
        _check_readable(cfld)
    if settings.backbone and settings.checkpoint:
        raise SettingsError("model.backbone: the checkpoint has a Swin of its own; leave out one of the two")
    if settings.backbone:
        load_backbone(cfld.backbone, settings.backbone)
    if settings.checkpoint:
        _put_in_checkpoint(cfld, unet, settings.checkpoint)
    if settings.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return cfld, unet, vae


def load_backbone(backbone: SourceEncoder, file: Path) -> None:
    """Put a published Swin, or that of a CFLD, in; its tables of relative positions are resized to the windows here
    (docs/method.md, section 1).

    Raises:
        CheckpointError: when the file is no Swin of these sizes.
    """
    state: Mapping[str, torch.Tensor]
    if file.suffix.lower() == ".safetensors":
        networks = load_checkpoint(file).networks
        state = {name.removeprefix("backbone."): tensor for name, tensor in networks.items()}
    else:
        state = read_tensors(file)
    own_state = backbone.state_dict()
    if missing := own_state.keys() - state.keys():
        raise CheckpointError(f"'{file}' is no Swin of these sizes: it has no tensor '{min(missing)}'")
    fitted_state = {name: _resized_table(state[name], tensor) for name, tensor in own_state.items()}
    try:
        backbone.load_state_dict(fitted_state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"'{file}' is no Swin of these sizes: {error}") from error


def _base_model(settings: ModelSettings) -> tuple[UNet2DConditionModel, Vae]:
    if settings.base:
        if settings.unet_widths or settings.autoencoder:
            raise SettingsError("model: base already has a U-Net and a VAE; leave out unet_widths and autoencoder")
        return load_base_model(settings.base)
    if not (settings.unet_widths and settings.autoencoder):
        raise SettingsError("model: give base (Stable Diffusion 1.5), or unet_widths and autoencoder")
    if settings.train_unet != "all":
        raise SettingsError("model.train_unet: a U-Net from scratch must be trained whole; set it to all")
    if not (settings.autoencoder / "config.json").is_file():
        raise SettingsError(f"model.autoencoder: '{settings.autoencoder}' is none; train-autoencoder makes one")
    unet = UNet2DConditionModel(**sd15_unet_config(settings.unet_widths, settings.cfld.decoder.width))
    return unet, AutoencoderTiny.from_pretrained(settings.autoencoder, local_files_only=True)


def _put_in_checkpoint(cfld: CFLD, unet: UNet2DConditionModel, file: Path) -> None:
    checkpoint = load_checkpoint(file)
    try:
        cfld.load_state_dict(checkpoint.networks)
    except RuntimeError as error:
        raise SettingsError(f"model.checkpoint: '{file}' does not have the sizes of model.cfld ({error})") from error
    patch_unet(unet, checkpoint.key_values)


def _check_readable(cfld: CFLD) -> None:
    """A checkpoint's sizes are read from its shapes, which do not tell every number of heads."""
    config = cfld.config
    read = read_config({name: tuple(tensor.shape) for name, tensor in cfld.state_dict().items()})
    read = replace(read, source=replace(read.source, drop_path=config.source.drop_path))
    for part in ("source", "appearance", "decoder", "pose"):
        if getattr(read, part) != getattr(config, part):
            raise SettingsError(
                f"model.cfld.{part}: {getattr(config, part)} would be read back from a checkpoint's shapes as "
                f"{getattr(read, part)}; choose the latter's heads and windows"
            )


def _resized_table(tensor: torch.Tensor, own_table: torch.Tensor) -> torch.Tensor:
    """A table of relative positions (n^2, heads), resized to as many as `own` has; any other tensor as it is."""
    if tensor.shape == own_table.shape or tensor.ndim != 2 or tensor.shape[1] != own_table.shape[1]:
        return tensor
    before, after = (round(table.shape[0] ** 0.5) for table in (tensor, own_table))
    picture = tensor.T.reshape(1, -1, before, before)
    return functional.interpolate(picture, size=(after, after), mode="bicubic").flatten(2)[0].T
