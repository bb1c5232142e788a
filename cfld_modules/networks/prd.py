"""Perception-refined decoder: the coarse-grained prompt of the source's last map (docs/method.md, section 3)."""

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from einops import repeat
from torch import nn

from .config import DecoderConfig


class DecoderBlock(nn.Module):
    """Cross-attention first, then self-attention, each after the position embedding is added for good."""

    def __init__(self, width: int, heads: int, context_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1 = Attention(width, heads=heads, dim_head=width // heads)
        self.attn2 = Attention(width, cross_attention_dim=context_width, heads=heads, dim_head=width // heads)
        self.ff = FeedForward(width, activation_fn="geglu")

    def forward(self, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        hidden = hidden + position
        hidden = hidden + self.attn2(self.norm2(hidden), encoder_hidden_states=context)
        hidden = hidden + position
        hidden = hidden + self.attn1(self.norm1(hidden))
        return hidden + self.ff(self.norm3(hidden))


class PerceptionRefinedDecoder(nn.Module):
    """Learnt queries refined against the un-normalised last feature map; no norm or projection at the end."""

    def __init__(self, config: DecoderConfig, context_tokens: int, context_width: int) -> None:
        super().__init__()
        self.query_feat = nn.Parameter(0.02 * torch.randn(config.queries, config.width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(config.queries, config.width))
        self.kv_pos_embed = nn.Parameter(0.02 * torch.randn(1, context_tokens, context_width))
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
