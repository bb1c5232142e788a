"""CFLD's changes to a diffusers U-Net: the trained key/value matrices, and queries with appearance residuals added."""

import re
from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from ..errors import CheckpointError
from ..networks.attention import scaled_dot_product_attention


class AppearanceProcessor:
    """Attention of a diffusers U-Net that adds a residual to the query after `to_q` (docs/method.md, section 5).

    block: 3..11 for the cross-attentions of the up path, None for every other attention.
    """

    def __init__(self, block: int | None) -> None:
        self.block = block

    def __call__(
        self, attn: Attention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None, appearance: Mapping[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.to_q(hidden_states)
        if self.block is not None and appearance:
            query = query + appearance[self.block]
        hidden = scaled_dot_product_attention(query, attn.to_k(context), attn.to_v(context), attn.heads)
        return attn.to_out[1](attn.to_out[0](hidden))


def patch_unet(unet: UNet2DConditionModel, key_values: Mapping[str, torch.Tensor]) -> UNet2DConditionModel:
    """Puts the matrices in, for `cross_attention_kwargs={"appearance": {block: residual}}`; or CheckpointError."""
    parameters = dict(unet.named_parameters())
    for name, matrix in key_values.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise CheckpointError(f"the base model has no '{name}'; give Stable Diffusion 1.5, which CFLD builds on")
        if parameter.shape != matrix.shape:
            raise CheckpointError(
                f"the base model's '{name}' is {tuple(parameter.shape)}, this CFLD checkpoint's {tuple(matrix.shape)}; "
                "give the Stable Diffusion 1.5 it was trained on"
            )
        with torch.no_grad():
            parameter.copy_(matrix)
    unet.set_attn_processor({name: AppearanceProcessor(_up_block(name)) for name in unet.attn_processors})
    return unet


def _up_block(processor_name: str) -> int | None:
    match = re.match(r"up_blocks\.(\d)\.attentions\.(\d)\..*attn2", processor_name)
    return 3 * int(match[1]) + int(match[2]) if match else None
