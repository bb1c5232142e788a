"""CFLD's conditioning entries: which person and which pose each row of a batch gets.

It travels with the conditioning, as two entries of `model_conds` that the sampler batches like any other:
`APPEARANCE_ROW` and `POSE_ROW`, integers a row, 0 for none and k + 1 for the k-th person or pose. A conditioning that
has the first is CFLD's, and so is its context; any other, text say, has neither and gets nothing of CFLD.
"""

from typing import Any

import comfy.conds
import torch

from .notices import warn

KEY = "cfld"  # of our wrappers, callbacks, attachments and the entry in `transformer_options`
APPEARANCE_ROW, POSE_ROW = "cfld_appearance", "cfld_pose"

Percents = tuple[float, float]
BEFORE_THE_FIRST_STEP = 1e6  # the host's noise level of 0 percent is higher, of any step far lower
Entry = dict[str, Any]  # one conditioning as the host's sampler has it


def prompt_conditioning(prompt: torch.Tensor, unconditional: torch.Tensor) -> tuple[list, list]:
    """(positive, negative) from the prompt (M, tokens, width) of M people and the learnt vector (1, tokens, width)."""
    people = torch.arange(1, len(prompt) + 1)
    pooled = torch.zeros_like(prompt[:, 0])  # neither CFLD nor Stable Diffusion 1.5 has any; other packs ask for it

    def conditioning(context: torch.Tensor, rows: torch.Tensor) -> list:
        return [[context, {"pooled_output": pooled, "model_conds": {APPEARANCE_ROW: comfy.conds.CONDRegular(rows)}}]]

    unconditional = unconditional.expand(len(prompt), -1, -1)
    return conditioning(prompt, people), conditioning(unconditional, torch.zeros_like(people))


def is_whole(start: float, end: float) -> bool:
    """Whether a range of noise levels is all of the sampling, so that no step has to be asked for its own: on a GPU the
    answer waits for all that was queued.
    """
    return start > BEFORE_THE_FIRST_STEP and end <= 0


def is_within(sigma: torch.Tensor, start: float, end: float) -> bool:
    """Whether noise levels (rows,), all the same, are in a range."""
    return is_whole(start, end) or end <= float(sigma[0]) <= start


def is_cfld(entry: Entry) -> bool:
    return APPEARANCE_ROW in entry["model_conds"]


def has_pose(entry: Entry) -> bool:
    return POSE_ROW in entry["model_conds"]


def without_rows(entry: Entry, *keys: str) -> Entry:
    """The entry with nobody (0) for those of `keys` that it has; the keys stay, so that it is batched as before."""
    no_rows = {
        key: comfy.conds.CONDRegular(torch.zeros_like(entry["model_conds"][key].cond))
        for key in keys if key in entry["model_conds"]
    }
    return entry | {"model_conds": entry["model_conds"] | no_rows}


def without_figure_at_a_zero_prompt(entry: Entry) -> Entry:
    """ConditioningZeroOut keeps all but the prompt of what it is given; a zero prompt means no pose and nobody.

    For entries as they are before a sampling, when the host has not yet made `model_conds` of their prompts.
    """
    if not is_cfld(entry) or entry["cross_attn"].any():
        return entry
    return without_rows(entry, APPEARANCE_ROW, POSE_ROW)


def check_conditioning(conds: dict[str, list[Entry]], batch: int) -> None:
    """Before the first step, ValueErrors for people or poses that would be left out of the latent batch, and for a pose
    in the negative alone; warnings of what is hardly meant.
    """
    for entry in (entry for entries in conds.values() for entry in entries if is_cfld(entry)):
        for key, node, what in (
            (POSE_ROW, "Pose Conditioning", "poses"), (APPEARANCE_ROW, "HGA Apply", "source people")
        ):
            count = len(entry["model_conds"][key].cond) if key in entry["model_conds"] else 0
            if batch < count:
                raise ValueError(
                    f"{node}: {count} {what} for a latent batch of {batch}; set the latent's batch_size to {count}, "
                    "the output 'count' of Pose Conditioning"
                )
    if not any(is_cfld(entry) for entries in conds.values() for entry in entries):
        warn(
            "HGA Apply: no conditioning of this sampling is CFLD's, so the model acts as it would without the node. "
            "Connect positive and negative of PRD Prompt Encoder; Conditioning (Average) keeps what its input "
            "'conditioning_to' is."
        )
    if conds.keys() >= {"positive", "negative"}:
        positive, negative = (any(_poses_somebody(entry) for entry in conds[name]) for name in ("positive", "negative"))
        if negative and not positive:
            raise ValueError(
                "Pose Conditioning: the pose is in the negative conditioning alone, so guidance would lead away from "
                "it; connect the sampler's positive to the node's output 'positive', and negative to 'negative'"
            )
        cfld_negatives = [entry for entry in conds["negative"] if is_cfld(entry)]
        if positive and cfld_negatives and not any(map(has_pose, cfld_negatives)):
            warn(
                "Pose Conditioning: the sampler's negative did not pass through the node. The picture is right, but "
                "a step costs two calls of the U-Net; connect it to the node's output 'negative'."
            )


def _poses_somebody(entry: Entry) -> bool:
    return has_pose(entry) and bool(entry["model_conds"][POSE_ROW].cond.any())


def name_unconditional_rows(transformer_options: dict) -> None:
    """In place: other packs know two kinds of rows, 0 and 1; guidance's extra rows are of the kind it says.

    The list is changed itself, so that a ControlNet that has already taken hold of it sees it too.
    """
    kinds = transformer_options.get(KEY)
    if kinds:
        rows = transformer_options["cond_or_uncond"]
        rows[:] = [kinds[row] for row in rows]
