"""Wraps every U-Net call of ComfyUI, so that CFLD's layers know which call they run in, with any sampler."""

from typing import Any

import comfy.model_management
import torch
from comfy.patcher_extension import WrappersMP

from .conditioning import APPEARANCE_ROW, KEY, POSE_ROW, has_pose, is_cfld, name_unconditional_rows
from .crops import CROP, WHOLE, Part, crop_cond, locate, part_of_window
from .notices import warn
from .object_patches import PatchedMethod
from .pose_control import pose_control_of
from .unet_call import current_call, in_call, in_part_of, in_step, step_latents, warn_of_a_part

APPLY_MODEL = "_apply_model"  # of the host's model, inside of all that wraps a call


def note_calls(patcher: Any) -> None:
    """Make the U-Net calls of a model known to its layers."""
    for kind, wrapper in ((WrappersMP.CALC_COND_BATCH, _place_entries), (WrappersMP.PREDICT_NOISE, _note_step)):
        patcher.remove_wrappers_with_key(kind, f"{KEY}_calls")  # of an HGA Apply before this one
        patcher.add_wrapper_with_key(kind, f"{KEY}_calls", wrapper)
    original = patcher.get_model_object(APPLY_MODEL)
    if not isinstance(original, NotedCall):
        patcher.add_object_patch(APPLY_MODEL, NotedCall(original, patcher.model))
    patcher.set_attachments(f"{KEY}_calls", True)


class NotedCall(PatchedMethod):
    """The model's own call. Its options may be anybody's: rows are told by the conditioning alone."""

    def __init__(self, original: Any, model: Any) -> None:
        super().__init__(original)
        self.model = model

    def __call__(
        self, x: torch.Tensor, t: torch.Tensor, c_concat: Any = None, c_crossattn: Any = None, control: Any = None,
        transformer_options: dict | None = None, **conds: Any,
    ) -> torch.Tensor:
        transformer_options = {} if transformer_options is None else transformer_options
        name_unconditional_rows(transformer_options)
        cfld_conds = {key: conds.pop(key) for key in (APPEARANCE_ROW, POSE_ROW, CROP) if key in conds}
        outer_call = current_call()
        if cfld_conds.keys() <= {CROP} and (outer_call is None or outer_call.latent_size == tuple(x.shape[2:])):
            # Text; or another pack has dropped what `_note_step` noted.
            return self.original(x, t, c_concat, c_crossattn, control, transformer_options, **conds)
        # As the U-Net gets it, so that its layers know it again.
        context = comfy.model_management.cast_to_device(c_crossattn, x.device, self.model.get_dtype_inference())
        is_part = cfld_conds.keys() <= {CROP}
        contexts = context, c_crossattn
        with in_part_of(outer_call, x, *contexts) if is_part else in_call(self.model, x, t, *contexts, cfld_conds):
            return self.original(x, t, c_concat, context, control, transformer_options, **conds)

    def bound_to(self, owner: torch.nn.Module) -> PatchedMethod:
        bound = super().bound_to(owner)
        bound.model = owner
        return bound


def _place_entries(executor: Any, model: Any, conds: list, x: torch.Tensor, sigma: torch.Tensor, options: dict) -> Any:
    """Wrapper of calc_cond_batch: every entry of CFLD's says where its latents lie.

    Of guidance's rows the unconditional one comes last: the host batches in reverse, and other packs take the first
    row of kind 1 for it.
    """
    transformer_options = options.get("transformer_options", {})
    parts = _parts(x, transformer_options)
    new_conds = [None if entries is None else [_placed(entry, x, parts) for entry in entries] for entries in conds]
    kinds = transformer_options.get(KEY, ())
    if len(kinds) <= 2:
        return executor(model, new_conds, x, sigma, options)
    order = [0, *range(2, len(kinds)), 1]
    new_options = transformer_options | {KEY: tuple(kinds[row] for row in order)}
    out = executor(model, [new_conds[row] for row in order], x, sigma, options | {"transformer_options": new_options})
    return [out[order.index(row)] for row in range(len(order))]


def _parts(x: torch.Tensor, transformer_options: dict) -> list[Part]:
    """What latents are of the step's, for all rows or each: as the host's windows say, else where they were cut out."""
    whole = step_latents()
    if whole is None or whole.shape[2:] == x.shape[2:]:
        return [WHOLE]
    window = transformer_options.get("context_window")
    axis = getattr(window, "dim", 0) - 2
    if axis in (0, 1) and whole.shape[3 - axis] == x.shape[3 - axis]:
        anchor = getattr(window, "causal_anchor_index", None)  # computed with the window, and dropped
        indices = [*([anchor] if anchor is not None and anchor >= 0 else []), *window.index_list]
        if len(indices) == x.shape[2 + axis]:
            return [part_of_window(axis, indices, whole.shape[2 + axis])]
    located_parts = locate(x, whole)
    if located_parts is None:
        warn_of_a_part(x, whole)
        return [WHOLE]
    return [part for _, part in located_parts]


def _placed(entry: dict, x: torch.Tensor, parts: list[Part]) -> dict:
    if not (is_cfld(entry) or has_pose(entry)):
        return entry
    pose = pose_control_of(entry.get("control"))
    cuts = [WHOLE] if pose is None else pose.parts_for(x)
    count = max(len(cuts), len(parts))
    in_outer = [part.of(outer) for part, outer in zip(_repeated(parts, count), _repeated(cuts, count), strict=True)]
    return entry | {"model_conds": entry["model_conds"] | {CROP: crop_cond(in_outer, *x.shape[2:])}}


def _repeated(parts: list[Part], count: int) -> list[Part]:
    return [parts[place % len(parts)] for place in range(count)]


def _note_step(executor: Any, x: torch.Tensor, timestep: torch.Tensor, model_options: dict, seed: Any) -> torch.Tensor:
    """Wrapper of predict_noise: notes each call outside of whatever other packs put around it.

    Some rebuild the call and hand on only what they know, or run the U-Net's blocks themselves.
    """
    model, inner = executor.class_obj.inner_model, model_options.get("model_function_wrapper")

    def around_the_call(apply_model: Any, arguments: dict) -> torch.Tensor:
        conds = arguments["c"]
        rows = conds.get("transformer_options", {})
        name_unconditional_rows(rows)
        if "cond_or_uncond" in rows:
            arguments = arguments | {"cond_or_uncond": list(rows["cond_or_uncond"])}
        context = conds.get("c_crossattn")
        with in_call(model, arguments["input"], arguments["timestep"], context, context, conds):
            if inner is not None:
                return inner(apply_model, arguments)
            return apply_model(arguments["input"], arguments["timestep"], **conds)

    options = model_options | {"model_function_wrapper": around_the_call}
    transformer_options = options.get("transformer_options", {})
    patches = transformer_options.get("patches", {})
    if "attn2_patch" in patches:
        patches = patches | {"attn2_patch": [*patches["attn2_patch"], _after_attn2_patches]}
        options["transformer_options"] = transformer_options | {"patches": patches}
    with in_step(x):
        return executor(x, timestep, options, seed)


def _after_attn2_patches(
    query: torch.Tensor, context: torch.Tensor, value: torch.Tensor, extra_options: dict
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patch of attn2, the last one.

    Attention couples repeat rows with further contexts before `to_q`. NegPip takes every other token for the keys and
    the rest for the values, which is how it has encoded a text, but no person: they keep all of their own.
    """
    call = current_call()
    if call is None or call.people is None:
        return query, context, value
    call.repeated = None if len(query) == len(call.people) else call.rows_like(context)
    if call.repeated is None and context.shape[1] != call.context.shape[1]:
        if all(map(call.are_own_tokens, (context, value))):
            prompt = call.context.to(context.device, context.dtype)
            return query, prompt, prompt
        if -1 in call.rows_like(context):
            warn(
                f"HGA Apply: a patch of cross-attention by another pack gives {context.shape[1]} tokens in place of "
                f"the {call.context.shape[1]} of the person's prompt; they are read as a text, so the person is lost. "
                "Leave that pack's node out of this model, as NegPip and attention couples of other kinds."
            )
    return query, context, value
