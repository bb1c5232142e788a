"""One seam for every attention of CFLD's own networks, so that a host can put its own kernel in."""

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from diffusers.models.attention_processor import Attention
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


class FunctionProcessor:
    """A diffusers attention processor that hands q, k, v to an `AttentionFunction`."""

    def __init__(self, function: AttentionFunction) -> None:
        self.function = function

    def __call__(
        self, attn: Attention, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        return attn.to_out[0](self.function(q, k, v, attn.heads))


def set_attention_function(module: nn.Module, function: AttentionFunction) -> None:
    """Make every attention below `module` use `function`."""
    for child in module.modules():
        if isinstance(child, Attention):
            child.set_processor(FunctionProcessor(function))
