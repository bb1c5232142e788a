"""Which row of a batch gets what.

It travels with the conditioning, as two entries of `model_conds` that the sampler batches like any other:
`APPEARANCE_ROW` and `POSE_ROW`, integers a row, 0 for none and k + 1 for the k-th person or pose.
"""

from typing import Any

import comfy.conds
import torch

KEY = "cfld"
APPEARANCE_ROW, POSE_ROW = "cfld_appearance", "cfld_pose"

Percents = tuple[float, float]


def prompt_conditioning(prompt: torch.Tensor, learnt: torch.Tensor) -> tuple[list, list]:
    """(positive, negative) from the prompt (M, tokens, width) of M people and the learnt vector (1, tokens, width)."""
    people = torch.arange(1, len(prompt) + 1)
    positive = [[prompt, {"model_conds": {APPEARANCE_ROW: comfy.conds.CONDRegular(people)}}]]
    negative = [[
        learnt.expand(len(prompt), -1, -1),
        {"model_conds": {APPEARANCE_ROW: comfy.conds.CONDRegular(torch.zeros_like(people))}},
    ]]
    return positive, negative


def source_count(conditioning: list) -> int:
    """How many source people a conditioning holds."""
    return max(len(entry[0]) for entry in conditioning)


def first_rows(conditioning: list[dict], key: str) -> Any:
    return next((entry["model_conds"][key] for entry in conditioning if key in entry["model_conds"]), None)


def check_batch(node: str, what: str, count: int, rows: int, transformer_options: dict) -> None:
    """The host would leave out the rest in silence. A context window is a part of the batch by intention."""
    batch = rows // len(transformer_options["cond_or_uncond"])
    if batch < count and "context_window" not in transformer_options:
        raise ValueError(
            f"{node}: {count} {what} for a latent batch of {batch}; set the latent's batch_size to {count}"
        )
