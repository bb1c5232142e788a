"""CFLD's guidance types in ComfyUI: its own guidance of two rows, plus weighted differences of further rows.

Every function of other packs before, in and after classifier-free guidance thus sees two predictions that are what
they seem. The rows that the terms need join the same U-Net call; the terms are added before any other function that
follows the guidance, with the scale that the step really has.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import comfy.conds
import comfy.controlnet
import comfy.samplers
import numpy as np
import torch
from comfy.patcher_extension import WrappersMP

from ...cfld_modules.guidance import ROWS, CFGAndTerms, Term, as_cfg_and_terms
from .conditioning import (
    APPEARANCE_ROW,
    KEY,
    POSE_ROW,
    Entry,
    Percents,
    check_conditioning,
    has_pose,
    is_cfld,
    is_within,
    without_figure_at_a_zero_prompt,
    without_rows,
)
from .detailers import warn_of_a_crop
from .notices import each_warning_once
from .pose_control import pose_control_of

NO_WEIGHT = 1e-9
UNCONDITIONAL_PROMPT = f"{KEY}_learnt"  # attachment of a model: CFLD's learnt unconditional prompt, (1, tokens, width)

LATENT_AXES = 4  # batch, channels, height, width


def guide_with_pose(patcher: Any, pose_guidance: float) -> None:
    """Make the paper's three-branch guidance of every sampler with a positive, a negative and one cfg."""
    guidance = CFGAndTerms("full", "uc", 1.0, (Term(pose_guidance, "down", "uc"),))

    def guide(executor: Any, x: torch.Tensor, timestep: torch.Tensor, model_options: dict, seed: Any) -> torch.Tensor:
        guider = executor.class_obj
        if guider.conds.keys() == {"positive", "negative"} and not isinstance(guider, CFLDGuider):
            model_options = _Step(guidance, guider, model_options).options()
        return executor(x, timestep, model_options, seed)

    _replace_wrapper(patcher, WrappersMP.PREDICT_NOISE, guide)


def check_before_sampling(patcher: Any) -> None:
    """Let a sampling begin with a look at its conditioning, and give back what its poses took however it ends.

    The host cleans controls up only where nothing went wrong, and keeps the conditioning for the next prompt.
    """

    def check(executor: Any, noise: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if noise.ndim != LATENT_AXES:
            raise ValueError(
                f"HGA Apply: what is sampled has the shape {tuple(noise.shape)}, a video's or another model's latent; "
                "connect Empty Latent Image, whose latents have four axes"
            )
        guider = executor.class_obj
        for name, entries in guider.conds.items():
            guider.conds[name] = [without_figure_at_a_zero_prompt(entry) for entry in entries]
        try:
            with each_warning_once():
                check_conditioning(guider.conds, len(noise))
                warn_of_a_crop(guider.conds)
                return executor(noise, *args, **kwargs)
        finally:
            for entry in chain(*guider.conds.values()):
                if (pose := pose_control_of(entry.get("control"))) is not None:
                    pose.cleanup()

    _replace_wrapper(patcher, WrappersMP.OUTER_SAMPLE, check)


def _replace_wrapper(patcher: Any, kind: str, wrapper: Callable) -> None:
    """The one of an HGA Apply before this one goes."""
    patcher.remove_wrappers_with_key(kind, KEY)
    patcher.add_wrapper_with_key(kind, KEY, wrapper)


class CFLDGuider(comfy.samplers.CFGGuider):
    """Guidance by one of the six types (docs/method.md, section 8) within a share of the sampling."""

    def __init__(self, model: Any, guidance_type: str, scales: Mapping[str, float], percents: Percents) -> None:
        super().__init__(model)
        self.guidance = as_cfg_and_terms(guidance_type, dict(scales))
        self.percents = percents
        self.cfg = self.guidance.cfg

    def predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict | None = None, seed: int | None = None
    ) -> torch.Tensor:
        start, end = (self.inner_model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        positive, negative, cfg = self.conds["positive"], self.conds["negative"], 1.0
        options = model_options or {}
        if is_within(timestep, start, end):
            step = _Step(self.guidance, self, options)
            positive, negative = (step.rows.entries(name) for name in (self.guidance.cond, self.guidance.uncond))
            options, cfg = step.options(), self.cfg
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negative, positive, cfg, model_options=options, seed=seed
        )


class _Step:
    """One step's predictions, of the rows by their names."""

    def __init__(self, guidance: CFGAndTerms, guider: Any, model_options: dict) -> None:
        self.guidance, self.guider, self.model_options = guidance, guider, model_options
        self.calculate = model_options.get("sampler_calc_cond_batch_function", _calculate)
        unconditional = guider.model_patcher.get_attachment(UNCONDITIONAL_PROMPT)
        self.rows = _Rows(guider.conds["positive"], guider.conds["negative"], unconditional)
        self.predictions: dict[str, torch.Tensor] = {}

    def options(self) -> dict:
        """The step's model options, with the rows of the guidance for the sampler's two, and its terms added.

        Other packs copy them deeply, which functions allow, and methods of a step with its models do not.
        """
        after_cfg = self.model_options.get("sampler_post_cfg_function", [])
        return self.model_options | {
            "sampler_calc_cond_batch_function": lambda arguments: self.predict(arguments),
            "sampler_post_cfg_function": [lambda arguments: self.add_terms(arguments), *after_cfg],
        }

    def predict(self, arguments: dict) -> list[torch.Tensor]:
        """In place of the host's calculation of [positive, negative or None]: the rows, and those of the terms."""
        two = [self.guidance.cond, self.guidance.uncond if arguments["conds"][1] is not None else None]
        term_rows = [
            name for term in self._terms(self.guider.cfg) for name in self.rows.of_term(term) if name not in two
        ]
        self.predictions = {}
        self._predict([*two, *dict.fromkeys(term_rows)], arguments)
        missing = torch.zeros_like(arguments["input"])  # as the host has it
        return [self._whole(name, arguments) if name else missing for name in two]

    def add_terms(self, arguments: dict) -> torch.Tensor:
        """The first function after the guidance. A sampler that tells it no scale has the guider's."""
        guided, cfg = arguments["denoised"], _numbers(arguments.get("cond_scale", self.guider.cfg))
        for term in self._terms(cfg):
            # Where a guider asks for its rows in another way, or has another cfg than it says.
            missing = [name for name in self.rows.of_term(term) if name not in self.predictions]
            if missing:
                self._predict(missing, arguments)
            guided = guided + _per_picture(term.weight(cfg)) * self._difference(term, arguments)
        return guided

    def _terms(self, cfg: Any) -> list[Term]:
        """Those that come to anything: a weight of zero, or two rows that no entry makes different, costs no row."""
        return [
            term for term in self.guidance.terms
            if np.abs(term.weight(np.asarray(cfg))).max() > NO_WEIGHT
            and (self.rows.taking_part(term.plus) or self.rows.taking_part(term.minus))
        ]

    def _predict(self, names: Sequence[str | None], arguments: dict) -> None:
        """The rows in one batch, where memory allows; other packs look for the positive at 0, the negative at 1."""
        names = list(names)
        if "uc" not in {*names, *self.predictions} and any(name and self.rows.is_in_part(name) for name in names):
            names.append("uc")
        batches = [names]
        patches = arguments["model_options"].get("transformer_options", {}).get("patches", {})
        if len(names) > 2 and "attn1_patch" in patches and len(arguments["input"]) > 1:
            # StyleAligned takes the rows of several pictures for two halves, so each further row comes with another.
            batches = [names[:2], *([name, "uc"] for name in names[2:])]
        for batch in batches:
            kinds = tuple(int(name is None or not self.rows.has_prompt(name)) for name in batch)
            options = arguments["model_options"]
            predictions = self.calculate(arguments | {
                "conds": [name and self.rows.entries(name) for name in batch],
                "model_options": options | {
                    "transformer_options": options.get("transformer_options", {}) | {KEY: kinds}
                },
            })
            self.predictions |= {name: one for name, one in zip(batch, predictions, strict=True) if name}

    def _whole(self, name: str, arguments: dict) -> torch.Tensor:
        """A row all over the picture: where none of its entries is, the negative."""
        if not self.rows.is_in_part(name):
            return self.predictions[name]
        share = self.rows.share(name, arguments["input"], arguments["sigma"])
        return share * self.predictions[name] + (1 - share) * self.predictions["uc"]

    def _difference(self, term: Term, arguments: dict) -> torch.Tensor:
        """plus - minus of a term. An entry with an area differs from the negative in that area, which is its frame."""
        if term.minus != "uc" or not self.rows.own_negatives:
            return self._whole(term.plus, arguments) - self._whole(term.minus, arguments)
        x, sigma = arguments["input"], arguments["sigma"]
        weights = {name: self.rows.weight(entries, x, sigma) for name, (entries, _) in self.rows.own_negatives.items()}
        minus = sum(weights[name] * self.predictions[name] for name in weights) / sum(weights.values()).clamp(min=1e-37)
        return self.rows.share(term.plus, x, sigma) * (self.predictions[term.plus] - minus)


def _calculate(arguments: dict) -> Sequence[torch.Tensor]:
    return comfy.samplers.calc_cond_batch(
        arguments["model"], arguments["conds"], arguments["input"], arguments["sigma"], arguments["model_options"]
    )


def _numbers(cfg: Any) -> Any:
    """A cfg of one number, or of one a picture (other packs' guiders)."""
    return torch.as_tensor(cfg) if isinstance(cfg, list | tuple) else cfg


def _per_picture(weight: Any) -> Any:
    return weight.reshape(-1, 1, 1, 1) if isinstance(weight, torch.Tensor) else weight


class _Rows:
    """The conditioning of each of `guidance.ROWS`, made of the positive's entries one by one.

    An entry that is not CFLD's has one meaning under guidance: itself where a row has a prompt, else the negative.

    Attributes:
        own_negatives: where entries with a pose have areas: rows of the negative in those areas, by their names, each
            with the positive's entries that it is the negative of. Empty where the negative is the same for all.
    """

    def __init__(self, positive: list[Entry], negative: list[Entry], unconditional: torch.Tensor) -> None:
        self.positive = positive
        self.negative = [_with_controls_for_both(entry, positive) for entry in negative]
        prompts = [entry["model_conds"]["c_crossattn"].cond for entry in self.negative if is_cfld(entry)]
        self.unconditional = prompts[0] if prompts else unconditional
        self.own_negatives: dict[str, tuple[list[Entry], list[Entry]]] = {}
        if any("area" in entry for entry in self.taking_part("down")):
            by_area: dict[Any, list[Entry]] = {}
            for entry in self.taking_part("down"):
                by_area.setdefault(_area(entry), []).append(entry)
            for number, (area, entries) in enumerate(by_area.items()):
                # The host has made one where none was.
                negatives = [entry for entry in self.negative if _area(entry) == area] or self.negative
                self.own_negatives[f"uc of area {number}"] = entries, negatives

    def of_term(self, term: Term) -> list[str]:
        """The rows that a term needs."""
        return [term.plus, *(self.own_negatives if term.minus == "uc" and self.own_negatives else [term.minus])]

    def has_prompt(self, name: str) -> bool:
        return name not in self.own_negatives and ROWS[name].prompt

    def taking_part(self, name: str) -> list[Entry]:
        """The positive's entries that are in a row; without a pose, the pose alone is nothing."""
        if name == "uc":
            return []
        return [entry for entry in self.positive if is_cfld(entry) and (name != "down" or has_pose(entry))]

    def entries(self, name: str) -> list[Entry]:
        if name in self.own_negatives:
            return self.own_negatives[name][1]
        if name == "uc":
            return self.negative
        variants = [_variant(entry, name, self.unconditional) for entry in self.taking_part(name)]
        return variants + ([entry for entry in self.positive if not is_cfld(entry)] if ROWS[name].prompt else [])

    def is_in_part(self, name: str) -> bool:
        """Whether a row without a prompt covers only a part of the picture; the negative is in the rest."""
        if name == "uc" or name in self.own_negatives or ROWS[name].prompt:
            return False
        return len(self.taking_part(name)) < len(self.positive)

    def weight(self, entries: list[Entry], x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """How much the positive's `entries` count at each place (B, C, H, W), by the host's own weights."""
        wanted_weight, total = torch.zeros_like(x), torch.zeros_like(x)
        for entry in sorted(self.positive, key=lambda entry: "default" in entry):  # defaults fill what is left
            weights = weights_of(entry, x, timestep)
            if weights is None:
                continue
            if "default" in entry:
                weights = (1 - total).relu()
            total += weights
            if any(entry is other for other in entries):
                wanted_weight += weights
        return wanted_weight

    def share(self, name: str, x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """How much of each place (B, C, H, W) belongs to the entries taking part."""
        part, total = (self.weight(entries, x, timestep) for entries in (self.taking_part(name), self.positive))
        return part / total.clamp(min=1e-37)


def _area(entry: Entry) -> tuple | None:
    return tuple(entry["area"]) if "area" in entry else None


def weights_of(entry: Entry, x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor | None:
    """How much an entry counts at each place (B, C, H, W), by its area and mask; None outside of its range of steps."""
    area_weight = comfy.samplers.get_area_and_mult(entry, x, timestep)
    if area_weight is None:
        return None
    weights = torch.zeros_like(x)
    _at(weights, area_weight.area).add_(area_weight.mult)
    return weights


def _at(tensor: torch.Tensor, area: Sequence[int] | None) -> torch.Tensor:
    """The part of a (B, C, H, W) that an area of the host's, sizes before places, means."""
    for axis in range(len(area or ()) // 2):
        tensor = tensor.narrow(axis + 2, area[axis + len(area) // 2], area[axis])
    return tensor


def _variant(entry: Entry, name: str, unconditional: torch.Tensor) -> Entry:
    """A CFLD entry as one of `guidance.ROWS`: with its own area, mask, range, controls and hooks."""
    row = ROWS[name]
    without = [key for key, has in ((APPEARANCE_ROW, row.appearance), (POSE_ROW, row.pose)) if not has]
    variant = without_rows(entry, *without)
    if not row.prompt:
        own = entry["model_conds"]["c_crossattn"]
        prompt = comfy.conds.CONDCrossAttn(unconditional.to(own.cond.device, own.cond.dtype))
        variant["model_conds"] = variant["model_conds"] | {"c_crossattn": prompt}
    return variant | {"uuid": uuid.uuid5(entry["uuid"], name)}


def _with_controls_for_both(entry: Entry, positive: list[Entry]) -> Entry:
    """Core's older ControlNet node after Pose Conditioning marks the positive alone, but means the negative too.

    The host gives it to a negative without a control of its own; ours has the pose's.
    """
    own = entry.get("control")
    for other in positive:
        control = other.get("control")
        if other.get("control_apply_to_uncond") and own is not None and own is not control:
            if own is pose_control_of(control):
                return entry | {"control": control}
    return entry
