"""Everything that touches ComfyUI's patcher, conditioning and sampler: the one place to look when a host changes.

Which row of a batch gets what travels with the conditioning, as two entries of `model_conds` that the sampler batches
like any other: `APPEARANCE_ROW` and `POSE_ROW`, integers a row, 0 for none and k + 1 for the k-th person or pose.
"""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MethodType
from typing import Any, NamedTuple

import comfy.conds
import comfy.controlnet
import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import torch
import torch.nn.functional as functional
from comfy.ldm.modules.attention import optimized_attention
from comfy.patcher_extension import CallbacksMP, WrappersMP, add_wrapper_with_key

from ..cfld_modules.attention import set_attention_function
from ..cfld_modules.checkpoints import key_value_name
from ..cfld_modules.guidance import ROWS, row_weights
from ..cfld_modules.hga import resample_tokens, token_grid
from ..cfld_modules.model import CFLD, Appearance
from ..cfld_modules.pose_adapter import resample_map
from .types import LoadedCFLD

KEY = "cfld"
APPEARANCE_ROW, POSE_ROW = "cfld_appearance", "cfld_pose"
INPUT_BLOCKS = 12
POSE_BLOCKS = (2, 5, 8)  # the U-Net's input blocks whose output the pose is added to

Percents = tuple[float, float]


# --- The pack's own networks ------------------------------------------------------------------------------------------


def in_host_care(networks: torch.nn.Module) -> comfy.model_patcher.ModelPatcher:
    """Networks on the host's device, offloaded when it says so."""
    holder = torch.nn.Module()  # the host writes attributes such as `device` on what it is given
    holder.networks = networks
    return comfy.model_patcher.ModelPatcher(
        holder, comfy.model_management.get_torch_device(), comfy.model_management.text_encoder_offload_device()
    )


def host_networks(networks: CFLD) -> comfy.model_patcher.ModelPatcher:
    """CFLD's networks in the host's care, and with its attention function."""
    set_attention_function(networks, lambda q, k, v, heads: optimized_attention(q, k, v, heads))
    return in_host_care(networks)


def on_device(patcher: comfy.model_patcher.ModelPatcher) -> Any:
    """The networks of `in_host_care`, loaded where the host computes."""
    comfy.model_management.load_models_gpu([patcher])
    return patcher.model.networks


# --- Conditioning -----------------------------------------------------------------------------------------------------


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


def pose_conditioning(
    node: str, positive: list, negative: list, features: tuple[torch.Tensor, ...], strength: float, percents: Percents
) -> tuple[list, list]:
    """Both conditionings with one control object; only the positive rows switch it on."""
    controls: dict[Any, PoseControl] = {}
    poses = torch.arange(1, len(features[0]) + 1)
    # A ControlNet that says so would be given to the negative rows, but only if they had no control of their own.
    first = positive[0][1]
    for_both = first.get("control") if first.get("control_apply_to_uncond") else None

    def carry(name: str, conditioning: list, rows: torch.Tensor) -> list:
        carried = []
        for prompt, options in conditioning:
            previous = options.get("control", for_both)
            if (control := _pose_control(previous)) is None:
                if previous not in controls:
                    controls[previous] = PoseControl(features, strength, percents)
                    controls[previous].set_previous_controlnet(previous)
                options = options | {"control": controls[previous], "control_apply_to_uncond": False}
            elif not control.is_of(features, strength, percents):
                raise ValueError(
                    f"{node}: input '{name}' already carries another pose; connect the conditioning from before it"
                )
            row = options.get("model_conds", {}) | {POSE_ROW: comfy.conds.CONDRegular(rows)}
            carried.append([prompt, options | {"model_conds": row}])
        return carried

    return carry("positive", positive, poses), carry("negative", negative, torch.zeros_like(poses))


def _check_batch(node: str, what: str, count: int, rows: int, transformer_options: dict) -> None:
    """The host would leave out the rest in silence. A context window is a part of the batch by intention."""
    batch = rows // len(transformer_options["cond_or_uncond"])
    if batch < count and "context_window" not in transformer_options:
        raise ValueError(
            f"{node}: {count} {what} for a latent batch of {batch}; set the latent's batch_size to {count}"
        )


def _pose_control(control: comfy.controlnet.ControlBase | None) -> "PoseControl | None":
    while control is not None and not isinstance(control, PoseControl):
        control = control.previous_controlnet
    return control


class PoseControl(comfy.controlnet.ControlBase):
    """The pose adapter's maps as a control: added in the U-Net's down path to the rows that ask for a pose.

    Args:
        features: three maps (N, channels, side, side) for N poses, computed once a pose.
    """

    def __init__(self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents) -> None:
        super().__init__()
        self.features = features
        self.strength = strength
        self.timestep_percent_range = percents
        self.prepared: dict[Any, torch.Tensor] = {}

    def is_of(self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents) -> bool:
        return (self.strength, self.timestep_percent_range) == (strength, percents) and all(
            mine.shape == other.shape and torch.equal(mine, other)
            for mine, other in zip(self.features, features, strict=True)
        )

    def get_control(
        self, x_noisy: torch.Tensor, t: torch.Tensor, cond: dict, batched_number: int, transformer_options: dict
    ) -> dict | None:
        previous = None
        if self.previous_controlnet is not None:
            previous = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        start, end = self.timestep_range
        if POSE_ROW not in cond or t[0] > start or t[0] < end:
            return previous
        _check_batch("Pose Conditioning", "poses", len(self.features[0]), len(x_noisy), transformer_options)
        rows = cond[POSE_ROW].to(x_noisy.device)
        additions: list[torch.Tensor | None] = [None] * INPUT_BLOCKS
        for level, block in enumerate(POSE_BLOCKS):
            grid = tuple(-(-side // 2**level) for side in x_noisy.shape[2:])
            additions[block] = self._prepared(level, grid, x_noisy)[rows]
        # The host takes additions off the end, the first block's first.
        return self.control_merge({"input": additions[::-1]}, previous, output_dtype=None)

    def _prepared(self, level: int, grid: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
        """Row 0 is zero, row k + 1 the k-th pose."""
        key = (level, grid, like.device)
        if key not in self.prepared:
            features = resample_map(self.features[level].float(), grid)
            features = torch.cat([torch.zeros_like(features[:1]), features])
            self.prepared[key] = features.to(like.device, self.model_dtype)
        return self.prepared[key]

    def pre_run(self, model: Any, percent_to_timestep_function: Callable[[float], float]) -> None:
        super().pre_run(model, percent_to_timestep_function)
        self.model_dtype = model.get_dtype_inference()

    def cleanup(self) -> None:
        super().cleanup()
        self.prepared.clear()

    def copy(self) -> "PoseControl":
        copied = PoseControl(self.features, self.strength, self.timestep_percent_range)
        self.copy_to(copied)
        return copied

    def deepclone_multigpu(self, load_device: torch.device, autoregister: bool = False) -> "PoseControl":
        cloned = self.copy()
        if autoregister:
            self.multigpu_clones[load_device] = cloned
        return cloned


# --- The model --------------------------------------------------------------------------------------------------------


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
    """Appearance residuals for the cross-attention queries, added after `to_q` (facts sheet, section 5).

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
        _check_batch("HGA Apply", "source people", people, len(x), transformer_options)
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


# --- Guidance ---------------------------------------------------------------------------------------------------------


def _row_conditioning(name: str, positive: list[dict], negative: list[dict]) -> list[dict]:
    """The conditioning of one of `guidance.ROWS`, from those of the full row and of the unconditional one."""
    row = ROWS[name]
    people, poses = (_first_rows(positive, key) for key in (APPEARANCE_ROW, POSE_ROW))
    entries = []
    for entry in positive if row.prompt else negative:
        rows = dict(entry["model_conds"])
        for key, wanted, values in ((APPEARANCE_ROW, row.appearance, people), (POSE_ROW, row.pose, poses)):
            if values is not None:
                rows[key] = values if wanted else comfy.conds.CONDRegular(torch.zeros_like(values.cond))
        entries.append(entry | {"model_conds": rows, "uuid": uuid.uuid5(entry["uuid"], name)})
    return entries


def _first_rows(conditioning: list[dict], key: str) -> Any:
    return next((entry["model_conds"][key] for entry in conditioning if key in entry["model_conds"]), None)


def _predict_rows(
    calculate: Callable[[list[list[dict]], dict], Sequence[torch.Tensor]], weights: Mapping[str, float], cfg: float,
    positive: list[dict], negative: list[dict], model_options: dict,
) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows in one batch, as the (cond, uncond) pair from which the host's cfg makes the guided prediction."""
    names = sorted(weights, key=lambda name: not ROWS[name].prompt)
    options = comfy.model_patcher.create_model_options_clone(model_options)
    add_wrapper_with_key(
        WrappersMP.APPLY_MODEL, KEY, _CondOrUncond([int(not ROWS[name].prompt) for name in names]), options, True
    )
    predictions = calculate([_row_conditioning(name, positive, negative) for name in names], options)
    guided = sum(weights[name] * prediction for name, prediction in zip(names, predictions, strict=True))
    by_name = dict(zip(names, predictions, strict=True))
    base = next((by_name[name] for name in ("uc", "down", "updown") if name in by_name), guided)
    return (guided, guided) if cfg == 0 else (base + (guided - base) / cfg, base)


class _CondOrUncond:
    """Wrapper of apply_model: other packs know two kinds of rows; one without the prompt is an unconditional one."""

    def __init__(self, kinds: list[int]) -> None:
        self.kinds = kinds

    def __call__(
        self, executor: Any, x: torch.Tensor, t: torch.Tensor, c_concat: Any, c_crossattn: Any, control: Any,
        transformer_options: dict, **kwargs: Any,
    ) -> torch.Tensor:
        kinds = [self.kinds[index] for index in transformer_options["cond_or_uncond"]]
        options = transformer_options | {"cond_or_uncond": kinds}
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)


class ThreeBranchGuidance:
    """Wrapper of predict_noise: uc + w_pose*(pose - uc) + cfg*(full - pose) under samplers that know one cfg."""

    def __init__(self, pose_guidance: float) -> None:
        self.pose_guidance = pose_guidance

    def __call__(self, executor: Any, x: torch.Tensor, timestep: torch.Tensor, model_options: dict, seed: Any) -> Any:
        guider = executor.class_obj
        conds = guider.conds
        if conds.keys() != {"positive", "negative"} or isinstance(guider, CFLDGuider):
            return executor(x, timestep, model_options, seed)
        if math.isclose(guider.cfg, self.pose_guidance) or _first_rows(conds["positive"], POSE_ROW) is None:
            return executor(x, timestep, model_options, seed)  # the pose-only row cancels
        weights = row_weights("uc_down_full", {"down": self.pose_guidance, "full": guider.cfg})

        def calc_cond_batch(inner: Any, model: Any, asked: list, x_in: Any, sigma: Any, options: dict) -> Any:
            if len(asked) != 2 or asked[0] is not conds["positive"]:
                return inner(model, asked, x_in, sigma, options)  # another pack's extra prediction
            return list(_predict_rows(
                lambda rows, row_options: inner(model, rows, x_in, sigma, row_options), weights, guider.cfg,
                conds["positive"], conds["negative"], options,
            ))

        options = comfy.model_patcher.create_model_options_clone(model_options)
        add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, KEY, calc_cond_batch, options, is_model_options=True)
        return executor(x, timestep, options, seed)


class CFLDGuider(comfy.samplers.CFGGuider):
    """Guidance by one of the six types (facts sheet, section 8) within a share of the sampling."""

    def __init__(self, model: Any, guidance_type: str, scales: Mapping[str, float], percents: Percents) -> None:
        super().__init__(model)
        self.weights = row_weights(guidance_type, dict(scales))
        self.percents = percents
        self.cfg = list(scales.values())[-1]

    def predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict | None = None, seed: int | None = None
    ) -> torch.Tensor:
        options = model_options or {}
        positive, negative = self.conds["positive"], self.conds["negative"]
        start, end = (self.inner_model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        guided = end <= timestep[0] <= start
        cond, uncond = _predict_rows(
            lambda rows, row_options: comfy.samplers.calc_cond_batch(self.inner_model, rows, x, timestep, row_options),
            self.weights if guided else {"full": 1.0}, self.cfg if guided else 1.0, positive, negative, options,
        )
        return comfy.samplers.cfg_function(
            self.inner_model, cond, uncond, self.cfg if guided else 1.0, x, timestep, model_options=options,
            cond=positive, uncond=negative,
        )
