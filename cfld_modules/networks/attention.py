"""Attention and feed-forward of CFLD's transformer blocks, under the published tensor names.

Every attention calls an `AttentionFunction`, so that a host can put its own kernel in.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from einops import rearrange
from torch import nn

# (q, k, v, heads) with q (B, L, heads*d) and k, v (B, S, heads*d) -> (B, L, heads*d)
AttentionFunction = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]

NARROWEST_HEAD = 16


def scaled_dot_product_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """softmax(q k^T / sqrt(d)) v for each head; shapes as in `AttentionFunction`."""
    q, k, v = (rearrange(tensor, "b l (h d) -> b h l d", h=heads) for tensor in (q, k, v))
    width = q.shape[-1]
    # PyTorch's CPU kernel is slower with a head narrower than its vectors than with one filled up with zeros.
    if width < NARROWEST_HEAD and q.device.type == "cpu":
        q, k, v = (functional.pad(tensor, (0, NARROWEST_HEAD - width)) for tensor in (q, k, v))
    attended = functional.scaled_dot_product_attention(q, k, v, scale=width**-0.5)
    return rearrange(attended[..., :width], "b h l d -> b l (h d)")


class Attention(nn.Module):
    """Multi-head attention; q, k, v have no bias, the output has. The context is as wide as the queries or as given."""

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be divided among {heads} heads")
        self.heads = heads
        self.function: AttentionFunction = scaled_dot_product_attention
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width or width, width, bias=False)
        self.to_v = nn.Linear(context_width or width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, hidden: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """(B, L, width) and a context (B, S, context width), itself where None -> (B, L, width)."""
        context = hidden if context is None else context
        return self.to_out(self.function(self.to_q(hidden), self.to_k(context), self.to_v(context), self.heads))


def set_attention_function(module: nn.Module, function: AttentionFunction) -> None:
    """Make every attention below `module` use `function`."""
    for child in module.modules():
        if isinstance(child, Attention):
            child.function = function


class GEGLU(nn.Module):
    """Gated linear unit: a value times the exact GELU of its gate (arXiv 2002.05202)."""

    def __init__(self, width: int, inner_width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner_width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        values, gate = self.proj(hidden).chunk(2, dim=-1)
        return values * functional.gelu(gate)


class FeedForward(nn.Module):
    """Fourfold GEGLU, then a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # The published names count a dropout between the two, which is 0.
        self.net = nn.Sequential(GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.net(hidden)
