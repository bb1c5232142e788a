"""CFLD's changes to the U-Net: trained key/value matrices, and the appearance in the queries."""

from collections.abc import Callable
from contextvars import ContextVar
from types import MethodType
from typing import Any, NamedTuple

import comfy.model_patcher
import torch
import torch.nn.functional as functional
from comfy.patcher_extension import CallbacksMP, WrappersMP

from ...cfld_modules.checkpoints.cfld_checkpoint import key_value_name
from ...cfld_modules.networks.hga import resample_tokens, token_grid
from ...cfld_modules.networks.model import Appearance
from ..types import LoadedCFLD
from .conditioning import APPEARANCE_ROW, KEY, Percents, check_batch
from .guidance import ThreeBranchGuidance


def apply_hga(
    model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD, appearance: Appearance, strength: float,
    pose_guidance: float, percents: Percents, mask: torch.Tensor | None,
) -> comfy.model_patcher.ModelPatcher:
    """A clone of the model with CFLD's key/value matrices, the appearance in its queries and three-branch guidance."""
    _check_base_model(model, cfld)
    patched = model.clone()
    _add_key_values(patched, cfld)
    queries = AppearanceQueries(appearance, strength, percents, mask)
    for block in appearance.residuals:
        name = f"{_cross_attention(block)}.to_q.forward"
        patched.add_object_patch(name, QueryForward(queries, block, patched.get_model_object(name)))
    patched.remove_callbacks_with_key(CallbacksMP.ON_CLONE, KEY)  # of an HGA Apply before this one
    patched.add_callback_with_key(CallbacksMP.ON_CLONE, KEY, _rebind_queries)
    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, queries.apply_model)
    patched.add_callback_with_key(CallbacksMP.ON_CLEANUP, KEY, lambda _: queries.prepared.clear())
    patched.remove_wrappers_with_key(WrappersMP.PREDICT_NOISE, KEY)  # of an HGA Apply before this one
    patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, KEY, ThreeBranchGuidance(pose_guidance))
    return patched


def _cross_attention(block: int) -> str:
    return f"diffusion_model.output_blocks.{block}.1.transformer_blocks.0.attn2"


def _check_base_model(model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD) -> None:
    state = model.model_state_dict("diffusion_model.output_blocks.")
    for block, part, matrix in _key_values(cfld):
        key = f"{_cross_attention(block)}.to_{part}.weight"
        if key not in state or state[key].shape != matrix.shape:
            found = f"{tuple(state[key].shape)} at {key}" if key in state else f"no {key}"
            raise ValueError(
                f"HGA Apply: input 'model' is a {type(model.model).__name__} with {found}, but '{cfld.name}' needs "
                f"{tuple(matrix.shape)} there; connect the Stable Diffusion 1.5 model this checkpoint was trained for"
            )


def _key_values(cfld: LoadedCFLD) -> list[tuple[int, str, torch.Tensor]]:
    return [(block, part, cfld.key_values[key_value_name(block, part)]) for block in range(3, 12) for part in "kv"]


def _add_key_values(model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD) -> None:
    """As differences to the unpatched weights, so that the order against LoRA loaders does not matter."""
    applied = model.get_attachment(KEY)
    if applied == cfld.name:
        return
    if applied is not None:
        raise ValueError(
            f"HGA Apply: input 'model' already carries the CFLD checkpoint '{applied}', and 'cfld' is '{cfld.name}'; "
            "use one checkpoint for all HGA Apply nodes of a model"
        )
    originals = model.get_key_patches("diffusion_model.output_blocks.")
    differences = {}
    for block, part, matrix in _key_values(cfld):
        key = f"{_cross_attention(block)}.to_{part}.weight"
        original, convert = originals[key][0]
        original = convert(original, inplace=False).to(device="cpu", dtype=torch.float32)
        differences[key] = ("diff", (matrix.float() - original,))
    model.add_patches(differences)
    model.set_attachments(KEY, cfld.name)


class Call(NamedTuple):
    """What the queries of one U-Net call need to know."""

    rows: torch.Tensor
    latent_size: tuple[int, int]


# The to_q layers see tokens only; what the call is about reaches them here, a thread and call at a time.
_calls: ContextVar[dict["AppearanceQueries", Call]] = ContextVar("cfld_calls", default={})  # noqa: B039 (never mutated)


class AppearanceQueries:
    """Appearance residuals for the cross-attention queries, added after `to_q` (docs/method.md, section 5).

    Args:
        percents: share of the sampling where it begins and ends.
        mask: (B, H, W) in [0, 1], over the whole picture; None for everywhere.
    """

    def __init__(
        self, appearance: Appearance, strength: float, percents: Percents, mask: torch.Tensor | None
    ) -> None:
        self.appearance = appearance
        self.strength = strength
        self.percents = percents
        self.mask = mask
        self.prepared: dict[Any, torch.Tensor] = {}

    def apply_model(
        self, executor: Any, x: torch.Tensor, t: torch.Tensor, c_concat: Any, c_crossattn: Any, control: Any,
        transformer_options: dict, **kwargs: Any,
    ) -> torch.Tensor:
        """Wrapper of the host's apply_model: notes which rows of this call get an appearance."""
        sampling = executor.class_obj.model_sampling
        start, end = (sampling.percent_to_sigma(percent) for percent in self.percents)
        rows = kwargs.get(APPEARANCE_ROW)
        if rows is None or t[0] > start or t[0] < end:
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
        people = len(self.appearance.prompt)
        check_batch("HGA Apply", "source people", people, len(x), transformer_options)
        token = _calls.set(_calls.get() | {self: Call(rows.to(x.device), tuple(x.shape[2:]))})
        try:
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
        finally:
            _calls.reset(token)

    def residual(self, block: int, query: torch.Tensor) -> torch.Tensor | None:
        """What is added to a layer's query (rows, L, C) in the call under way; None when nothing is."""
        call = _calls.get().get(self)
        return None if call is None else self._prepared(block, query, call)[call.rows]

    def _prepared(self, block: int, query: torch.Tensor, call: Call) -> torch.Tensor:
        """(people + 1, L, C) on the layer's grid, strength and mask in it; row 0 is zero."""
        key = (block, query.shape[1], call.latent_size, query.dtype, query.device)
        if key not in self.prepared:
            grid = token_grid(query.shape[1], *call.latent_size)
            tokens = resample_tokens(self.appearance.residuals[block].float(), grid) * self.strength
            if self.mask is not None:
                mask = functional.interpolate(self.mask[:, None].float(), size=grid, mode="bilinear", antialias=True)
                tokens = tokens * mask.flatten(1)[..., None].to(tokens.device)
            tokens = torch.cat([torch.zeros_like(tokens[:1]), tokens])
            self.prepared[key] = tokens.to(query.device, query.dtype)
        return self.prepared[key]


class QueryForward:
    """`to_q.forward` of an up block, with the appearance added to what `original` gives."""

    def __init__(self, queries: AppearanceQueries, block: int, original: Callable[..., torch.Tensor]) -> None:
        self.queries, self.block, self.original = queries, block, original

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        query = self.original(x, *args, **kwargs)
        residual = self.queries.residual(self.block, query)
        return query if residual is None else query + residual

    def bound_to(self, layer: torch.nn.Module) -> "QueryForward":
        original = self.original
        if isinstance(original, QueryForward):
            original = original.bound_to(layer)
        elif isinstance(original, MethodType):
            original = MethodType(original.__func__, layer)
        return QueryForward(self.queries, self.block, original)


def _rebind_queries(patcher: comfy.model_patcher.ModelPatcher, clone: comfy.model_patcher.ModelPatcher) -> None:
    """The host clones onto another copy of the weights for several GPUs, and for hooks with dynamic memory."""
    if clone.model is patcher.model:
        return
    for name, patch in clone.object_patches.items():
        if isinstance(patch, QueryForward):
            clone.object_patches[name] = patch.bound_to(clone.get_model_object(name.removesuffix(".forward")))
