"""What the layers of the U-Net need to know of the call they are in: who is in which row, where, and which rows repeat.

A layer sees tokens only. The call reaches it through a context variable, which is a thread's and a call's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as functional
from comfy.patcher_extension import WrappersMP

from .conditioning import (
    APPEARANCE_ROW,
    KEY,
    has_pose,
    is_cfld,
    name_unconditional_rows,
    pose_control_of,
    without_figure_at_a_zero_prompt,
)
from .crops import CROP, WHOLE, Crop, crop_cond, parts_of_hint, row_crops
from .pose_control import PoseControl

# Contexts this alike are one: other packs repeat and scale them.
SAME_CONTEXT = 0.999


@dataclass(eq=False)
class UNetCall:
    """A U-Net call whose context is CFLD's.

    Attributes:
        patcher: the host's model patcher under way.
        sigma: noise level.
        people: (rows,) who is in each row, 0 for nobody.
        context: (rows, tokens, width).
        crops: of each row.
        latent_size: (height, width).
        repeated: where another pack has repeated rows for the layer under way, which row each one is; -1 for none.
    """

    patcher: Any
    sigma: float
    people: torch.Tensor
    context: torch.Tensor
    crops: list[Crop]
    latent_size: tuple[int, int]
    repeated: torch.Tensor | None = field(default=None)

    def rows_like(self, contexts: torch.Tensor) -> torch.Tensor:
        """(n,) for contexts (n, tokens, width): the call's row that has the context; -1 for none, text say."""
        tokens, own = self.context.shape[1], self.context.flatten(1).to(contexts.device, torch.float32)
        if contexts.shape[1] < tokens or contexts.shape[2:] != self.context.shape[2:]:
            return torch.full((len(contexts),), -1, device=contexts.device)
        given = contexts[:, :tokens].flatten(1).float()  # a shorter context is repeated to the length of a longer one
        likeness = functional.normalize(given) @ functional.normalize(own).T
        best, row = likeness.max(dim=1)
        return torch.where(best > SAME_CONTEXT, row, -1)


_call: ContextVar[UNetCall | None] = ContextVar("cfld_call", default=None)


def current_call() -> UNetCall | None:
    return _call.get()


@contextmanager
def _noted(
    model: Any, x: torch.Tensor, sigma: torch.Tensor, context: torch.Tensor, conds: Mapping[str, Any]
) -> Iterator[None]:
    call = None
    if APPEARANCE_ROW in conds:
        call = UNetCall(
            model.current_patcher, float(sigma[0]), conds[APPEARANCE_ROW], context, row_crops(conds[CROP]),
            tuple(x.shape[2:]),
        )
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def note_calls(patcher: Any) -> None:
    """Make the U-Net calls of a model known to its layers."""
    for kind, wrapper in (
        (WrappersMP.CALC_COND_BATCH, _place_entries), (WrappersMP.APPLY_MODEL, _note_apply_model),
        (WrappersMP.PREDICT_NOISE, _note_step),
    ):
        patcher.remove_wrappers_with_key(kind, f"{KEY}_calls")  # of an HGA Apply before this one
        patcher.add_wrapper_with_key(kind, f"{KEY}_calls", wrapper)
    patcher.model_options["transformer_options"].setdefault(KEY, ())


def _place_entries(executor: Any, model: Any, conds: list, x: torch.Tensor, sigma: torch.Tensor, options: dict) -> Any:
    """Wrapper of calc_cond_batch: every entry of CFLD's says where its latents lie.

    Of guidance's rows the unconditional one comes last: the host batches in reverse, and other packs take the first
    row of kind 1 for it.
    """
    if x.ndim != 4:
        raise ValueError(
            f"HGA Apply: what is sampled has the shape {tuple(x.shape)}, a video's or another model's latent; connect "
            "Empty Latent Image, whose latents have four axes"
        )
    placed = [None if entries is None else [_placed(entry, *x.shape[2:]) for entry in entries] for entries in conds]
    kinds = options["transformer_options"].get(KEY, ())
    if len(kinds) <= 2:
        return executor(model, placed, x, sigma, options)
    order = [0, *range(2, len(kinds)), 1]
    transformer_options = options["transformer_options"] | {KEY: tuple(kinds[row] for row in order)}
    out = executor(
        model, [placed[row] for row in order], x, sigma, options | {"transformer_options": transformer_options}
    )
    return [out[order.index(row)] for row in range(len(order))]


def _placed(entry: dict, height: int, width: int) -> dict:
    if not (is_cfld(entry) or has_pose(entry)):
        return entry
    entry = without_figure_at_a_zero_prompt(entry)
    pose = pose_control_of(entry.get("control"), PoseControl)
    parts = [WHOLE] if pose is None else parts_of_hint(pose.cond_hint_original)
    return entry | {"model_conds": entry["model_conds"] | {CROP: crop_cond(parts, height, width)}}


def _note_apply_model(
    executor: Any, x: torch.Tensor, t: torch.Tensor, c_concat: Any, c_crossattn: Any, control: Any,
    transformer_options: dict, **kwargs: Any,
) -> torch.Tensor:
    """Wrapper of apply_model. A call whose rows another pack has dropped is still the one that `_note_step` noted."""
    name_unconditional_rows(transformer_options)
    if APPEARANCE_ROW not in kwargs:
        return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
    with _noted(executor.class_obj, x, t, c_crossattn, kwargs):
        return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)


def _note_step(executor: Any, x: torch.Tensor, timestep: torch.Tensor, model_options: dict, seed: Any) -> torch.Tensor:
    """Wrapper of predict_noise: notes the call outside of whatever other packs put around it.

    Some rebuild the call and hand on only what they know, or run the U-Net's blocks themselves.
    """
    inner = model_options.get("model_function_wrapper")

    def around_the_call(apply_model: Any, arguments: dict) -> torch.Tensor:
        conds = arguments["c"]
        name_unconditional_rows(conds["transformer_options"])
        arguments = arguments | {"cond_or_uncond": list(conds["transformer_options"]["cond_or_uncond"])}
        with _noted(apply_model.__self__, arguments["input"], arguments["timestep"], conds.get("c_crossattn"), conds):
            if inner is not None:
                return inner(apply_model, arguments)
            return apply_model(arguments["input"], arguments["timestep"], **conds)

    transformer_options = model_options["transformer_options"]
    patches = transformer_options.get("patches", {})
    if "attn2_patch" in patches:
        patches = patches | {"attn2_patch": [*patches["attn2_patch"], _note_repeated_rows]}
        transformer_options = transformer_options | {"patches": patches}
    options = model_options | {
        "model_function_wrapper": around_the_call, "transformer_options": transformer_options,
    }
    return executor(x, timestep, options, seed)


def _note_repeated_rows(
    query: torch.Tensor, context: torch.Tensor, value: torch.Tensor, extra_options: dict
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patch of attn2, the last one: attention couples repeat rows with further contexts before `to_q`."""
    call = current_call()
    if call is not None:
        call.repeated = None if len(query) == len(call.people) else call.rows_like(context)
    return query, context, value
