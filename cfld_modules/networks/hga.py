"""Hybrid-granularity attention (docs/method.md, section 2): adds a person's appearance to the U-Net's queries."""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn

from .attention import Attention, FeedForward
from .config import APPEARANCE_BLOCKS, BRANCHES_PER_LEVEL, AppearanceConfig
from .pose_adapter import resample_map


class SelfAttentionBlock(nn.Module):
    """Self-attention twice, then the feed-forward, each x + f(LN x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1, self.attn2 = Attention(width, heads), Attention(width, heads)
        self.ff = FeedForward(width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.attn1(self.norm1(hidden))
        hidden = hidden + self.attn2(self.norm2(hidden))
        return hidden + self.ff(self.norm3(hidden))


class AppearanceEncoder(nn.Module):
    """Nine branches, three a level of the source encoder; branch k serves the U-Net's block 11 - k."""

    def __init__(self, config: AppearanceConfig, feature_widths: Sequence[int]) -> None:
        super().__init__()
        self.zero_conv_ins, self.blocks, self.zero_conv_outs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for k in range(len(APPEARANCE_BLOCKS)):
            level = k // BRANCHES_PER_LEVEL
            inner, heads = config.inner_widths[level], config.heads[level]
            self.zero_conv_ins.append(_zeroed(nn.Conv2d(feature_widths[level], inner, 1)))
            self.blocks.append(nn.Sequential(*(SelfAttentionBlock(inner, heads) for _ in range(config.depth))))
            self.zero_conv_outs.append(_zeroed(nn.Conv2d(inner, config.output_widths[level], 1)))

    def forward(self, features: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
        """Token maps (B, L, C) of the source encoder's first three stages -> {block: (B, L, query width)}."""
        return {block: self.branch(k, features[k // BRANCHES_PER_LEVEL]) for k, block in enumerate(APPEARANCE_BLOCKS)}

    def branch(self, k: int, tokens: torch.Tensor) -> torch.Tensor:
        """Branch k on its level's tokens (B, L, C), L a square -> (B, L, query width)."""
        side = round(tokens.shape[1] ** 0.5)
        hidden = self.zero_conv_ins[k](rearrange(tokens, "b (h w) c -> b c h w", h=side))
        hidden = self.blocks[k](rearrange(hidden, "b c h w -> b (h w) c"))
        hidden = self.zero_conv_outs[k](rearrange(hidden, "b (h w) c -> b c h w", h=side))
        return rearrange(hidden, "b c h w -> b (h w) c")


def _zeroed(convolution: nn.Conv2d) -> nn.Conv2d:
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution


def token_grid(tokens: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a layer with so many tokens: of all factor pairs the nearest to the latents' aspect."""
    rows = [row for row in range(1, tokens + 1) if tokens % row == 0]
    best = min(rows, key=lambda row: abs(math.log(row * row * width / (tokens * height))))
    return best, tokens // best


def resample_tokens(tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Residuals (B, L, C) on a square grid -> (B, rows*columns, C) on `grid`; untouched when that is their grid."""
    side = round(tokens.shape[1] ** 0.5)
    if grid == (side, side):
        return tokens
    maps = resample_map(rearrange(tokens, "b (h w) c -> b c h w", h=side), grid)
    return rearrange(maps, "b c h w -> b (h w) c")
