"""Guidance by more rows than two: under samplers that know one cfg, and as a guider of its own."""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import comfy.conds
import comfy.model_patcher
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

from ...cfld_modules.guidance import ROWS, row_weights
from .conditioning import APPEARANCE_ROW, KEY, POSE_ROW, Percents, first_rows


def _row_conditioning(name: str, positive: list[dict], negative: list[dict]) -> list[dict]:
    """The conditioning of one of `guidance.ROWS`, from those of the full row and of the unconditional one."""
    row = ROWS[name]
    people, poses = (first_rows(positive, key) for key in (APPEARANCE_ROW, POSE_ROW))
    entries = []
    for entry in positive if row.prompt else negative:
        rows = dict(entry["model_conds"])
        for key, wanted, values in ((APPEARANCE_ROW, row.appearance, people), (POSE_ROW, row.pose, poses)):
            if values is not None:
                rows[key] = values if wanted else comfy.conds.CONDRegular(torch.zeros_like(values.cond))
        entries.append(entry | {"model_conds": rows, "uuid": uuid.uuid5(entry["uuid"], name)})
    return entries


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
        if math.isclose(guider.cfg, self.pose_guidance) or first_rows(conds["positive"], POSE_ROW) is None:
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
    """Guidance by one of the six types (docs/method.md, section 8) within a share of the sampling."""

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
