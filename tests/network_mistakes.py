"""Mistakes to plant in the networks and the patched U-Net, as somebody who writes them anew may make them."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as functional
from einops import rearrange
from torch import nn

from cfld_modules.networks import swin
from cfld_modules.networks.attention import GEGLU, scaled_dot_product_attention
from cfld_modules.networks.model import CFLD
from cfld_modules.networks.prd import DecoderBlock, PerceptionRefinedDecoder
from cfld_modules.pipeline.unet_patch import AppearanceProcessor

Patch = pytest.MonkeyPatch


Mistake = Callable[[CFLD, Patch], None]


def without_first_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=0, second=1)


def without_second_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=1, second=0)


def without_any_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=0, second=0)


def self_attention_first(networks: CFLD, patch: Patch) -> None:
    def forward(block: DecoderBlock, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor):
        hidden = hidden + position
        hidden = hidden + block.attn1(block.norm1(hidden))
        hidden = hidden + position
        hidden = hidden + block.attn2(block.norm2(hidden), context)
        return hidden + block.ff(block.norm3(hidden))

    patch.setattr(DecoderBlock, "forward", forward)


def _patch_decoder_block(patch: Patch, first: int, second: int) -> None:
    def forward(block: DecoderBlock, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor):
        hidden = hidden + first * position
        hidden = hidden + block.attn2(block.norm2(hidden), context)
        hidden = hidden + second * position
        hidden = hidden + block.attn1(block.norm1(hidden))
        return hidden + block.ff(block.norm3(hidden))

    patch.setattr(DecoderBlock, "forward", forward)


def without_key_position(networks: CFLD, patch: Patch) -> None:
    original = PerceptionRefinedDecoder.forward
    patch.setattr(
        PerceptionRefinedDecoder, "forward", lambda decoder, tokens: original(decoder, tokens - decoder.kv_pos_embed)
    )


def normalised_keys(networks: CFLD, patch: Patch) -> None:
    original = PerceptionRefinedDecoder.forward
    patch.setattr(
        PerceptionRefinedDecoder, "forward",
        lambda decoder, tokens: original(decoder, functional.layer_norm(tokens, tokens.shape[-1:])),
    )


def wrong_eps(part: str, kind: type[nn.Module], eps: float) -> Mistake:
    def make(networks: CFLD, patch: Patch) -> None:
        for module in networks.get_submodule(part).modules():
            if isinstance(module, kind):
                patch.setattr(module, "eps", eps)

    return make


def tanh_gelu(networks: CFLD, patch: Patch) -> None:
    def forward(module: GEGLU, hidden: torch.Tensor) -> torch.Tensor:
        values, gate = module.proj(hidden).chunk(2, dim=-1)
        return values * functional.gelu(gate, approximate="tanh")

    patch.setattr(GEGLU, "forward", forward)


def tanh_gelu_in_backbone(networks: CFLD, patch: Patch) -> None:
    for module in networks.backbone.modules():
        if isinstance(module, nn.GELU):
            patch.setattr(module, "approximate", "tanh")


def row_major_merging(networks: CFLD, patch: Patch) -> None:
    def forward(merging: swin.PatchMerging, tokens: torch.Tensor) -> torch.Tensor:
        tokens = rearrange(tokens, "b (h i w j) c -> b (h w) (i j c)", h=merging.grid // 2, i=2, j=2)
        return merging.reduction(merging.norm(tokens))

    patch.setattr(swin.PatchMerging, "forward", forward)


def transposed_position_bias(networks: CFLD, patch: Patch) -> None:
    bias = swin.relative_position_bias
    patch.setattr(swin, "relative_position_bias", lambda table: bias(table).transpose(1, 2))


def without_shift_mask(networks: CFLD, patch: Patch) -> None:
    patch.setattr(swin, "shift_mask", lambda *arguments: None)


def unscaled_drop_path(networks: CFLD, patch: Patch) -> None:
    patch.setattr(swin.Block, "_dropped", lambda block, branch: branch * (1 - block.drop_path))


def without_shift(networks: CFLD, patch: Patch) -> None:
    for stage in networks.backbone.layers:
        for block in stage.blocks:
            patch.setattr(block, "shift", 0)


def exchanged_drawing_channels(networks: CFLD, patch: Patch) -> None:
    original = networks.pose_encoder.forward
    patch.setattr(networks.pose_encoder, "forward", lambda maps: original(torch.cat([maps[:, 3:], maps[:, :3]], 1)))


class ResidualBeforeProjection(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is not None:
            hidden_states = hidden_states + appearance[self.block]
        return super().__call__(attn, hidden_states, encoder_hidden_states)


class ResidualAfterScale(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is not None:
            scale = (attn.inner_dim / attn.heads) ** 0.5
            appearance = {self.block: scale * appearance[self.block]}
        return super().__call__(attn, hidden_states, encoder_hidden_states, appearance=appearance)


class ResidualOnKey(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is None:
            return super().__call__(attn, hidden_states, encoder_hidden_states)
        key = attn.to_k(encoder_hidden_states)
        key = key + appearance[self.block][:, : key.shape[1]]
        hidden = scaled_dot_product_attention(
            attn.to_q(hidden_states), key, attn.to_v(encoder_hidden_states), attn.heads
        )
        return attn.to_out[0](hidden)


class NoResidual(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        return super().__call__(attn, hidden_states, encoder_hidden_states)
