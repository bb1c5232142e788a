"""CFLD's networks as a model that ComfyUI loads and offloads, and the class of what is on a CFLD connection."""

from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch
from comfy.ldm.modules.attention import optimized_attention

from ...cfld_modules.networks.attention import set_attention_function
from ...cfld_modules.networks.config import CFLDConfig
from ...cfld_modules.networks.model import CFLD


@dataclass(frozen=True, eq=False)
class LoadedCFLD:
    """What travels on a CFLD wire.

    Attributes:
        name: as chosen in the loader, for messages.
        networks: the host's model patcher around `cfld_modules.networks.model.CFLD`, see `host_networks`.
        key_values: the 18 trained U-Net matrices, diffusers names.
    """

    name: str
    config: CFLDConfig
    networks: comfy.model_patcher.ModelPatcher
    key_values: dict[str, torch.Tensor]


def in_host_care(networks: torch.nn.Module) -> comfy.model_patcher.ModelPatcher:
    """Networks on the host's device, offloaded when it says so."""
    module = torch.nn.Module()  # the host writes attributes such as `device` on what it is given
    module.networks = networks
    return comfy.model_patcher.ModelPatcher(
        module, comfy.model_management.get_torch_device(), comfy.model_management.text_encoder_offload_device()
    )


def host_networks(networks: CFLD) -> comfy.model_patcher.ModelPatcher:
    """CFLD's networks in the host's care, and with its attention function."""
    set_attention_function(networks, lambda q, k, v, heads: optimized_attention(q, k, v, heads))
    return in_host_care(networks)


def on_device(patcher: comfy.model_patcher.ModelPatcher) -> Any:
    """The networks of `in_host_care`, loaded where the host computes."""
    comfy.model_management.load_models_gpu([patcher])
    return networks_of(patcher)


def networks_of(patcher: comfy.model_patcher.ModelPatcher) -> Any:
    """The networks of `in_host_care` wherever they lie, to be looked at and not run."""
    return patcher.model.networks
