"""Blends two encoded people, linearly: what the networks made of one photo with what they made of the other."""

from collections.abc import Sequence

import torch

from .model import Appearance


def blend(first: torch.Tensor, second: torch.Tensor, amounts: Sequence[float]) -> torch.Tensor:
    """(1 - amount) * first + amount * second, in float32 and one row an amount; 0 and 1 give the ends bit for bit.

    first, second: (B, tokens, width) of one shape; B is 1 where there are several amounts.
    """
    weights = torch.tensor(amounts, device=first.device)[:, None, None]
    return first.float().lerp(second.to(first.device).float(), weights)


def blend_appearances(first: Appearance, second: Appearance, amounts: Sequence[float]) -> Appearance:
    """`blend` of the prompts and of every residual: B people, or one a amount where there are several.

    Raises ValueError when the two are of different numbers of people, or of checkpoints of different sizes.
    """
    if len(first.prompt) != len(second.prompt):
        raise ValueError(f"{len(first.prompt)} and {len(second.prompt)} people; give as many on either side")
    if len(amounts) > 1 and len(first.prompt) > 1:
        raise ValueError(f"a strip leads from one person to one other, not from {len(first.prompt)} people to as many")
    shapes = [{block: tuple(tokens.shape) for block, tokens in one.residuals.items()} for one in (first, second)]
    if shapes[0] != shapes[1] or first.prompt.shape != second.prompt.shape:
        raise ValueError("the two are of CFLD checkpoints of different sizes; encode both people with the same one")
    return Appearance(
        blend(first.prompt, second.prompt, amounts),
        {block: blend(tokens, second.residuals[block], amounts) for block, tokens in first.residuals.items()},
    )
