"""Perception-refined decoder (docs/method.md, section 3): turns a photo's features into the U-Net's prompt."""

import torch
from einops import repeat
from torch import nn

from .attention import Attention, FeedForward
from .config import DecoderConfig
from .initial import normal_parameter

INITIAL_DEVIATION = 0.02


class DecoderBlock(nn.Module):
    """Cross-attention first, then self-attention, each after the position embedding is added for good."""

    def __init__(self, width: int, heads: int, context_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1, self.attn2 = Attention(width, heads), Attention(width, heads, context_width)
        self.ff = FeedForward(width)

    def forward(self, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        hidden = hidden + position
        hidden = hidden + self.attn2(self.norm2(hidden), context)
        hidden = hidden + position
        hidden = hidden + self.attn1(self.norm1(hidden))
        return hidden + self.ff(self.norm3(hidden))


class PerceptionRefinedDecoder(nn.Module):
    """Learnt queries refined against the un-normalised last feature map; no norm or projection at the end."""

    def __init__(self, config: DecoderConfig, context_tokens: int, context_width: int) -> None:
        super().__init__()
        self.query_feat = normal_parameter(config.queries, config.width, deviation=INITIAL_DEVIATION)
        self.pos_embed = normal_parameter(config.queries, config.width, deviation=INITIAL_DEVIATION)
        self.kv_pos_embed = normal_parameter(1, context_tokens, context_width, deviation=INITIAL_DEVIATION)
        self.blocks = nn.ModuleList(
            DecoderBlock(config.width, config.heads, context_width) for _ in range(config.depth)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Last map (B, L, C) -> coarse-grained prompt c (B, queries, width), of unbounded scale."""
        hidden = repeat(self.query_feat, "q c -> b q c", b=tokens.shape[0])
        context = tokens + self.kv_pos_embed
        for block in self.blocks:
            hidden = block(hidden, self.pos_embed, context)
        return hidden
