"""The six guidance types as weighted sums of U-Net rows (docs/method.md, section 8)."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

GuidanceType = Literal[
    "uc_down_full", "uc_full", "updown_full", "down_full", "uc_down_updown_cdown", "uc_down_updown_full"
]
GUIDANCE_TYPES: tuple[str, ...] = get_args(GuidanceType)


@dataclass(frozen=True)
class Row:
    """What one row of the U-Net's batch is given: the prompt or the learnt vector, pose maps, appearance residuals."""

    prompt: bool
    pose: bool
    appearance: bool


ROWS = {  # the authors' names; "c", prompt alone, serves DDIM inversion
    "uc": Row(prompt=False, pose=False, appearance=False),
    "down": Row(prompt=False, pose=True, appearance=False),
    "updown": Row(prompt=False, pose=True, appearance=True),
    "cdown": Row(prompt=True, pose=True, appearance=False),
    "full": Row(prompt=True, pose=True, appearance=True),
    "c": Row(prompt=True, pose=False, appearance=False),
}

# Which scales a type reads, in the order of its formula.
SCALES_OF: dict[str, tuple[str, ...]] = {
    "uc_full": ("full",),
    "updown_full": ("full",),
    "down_full": ("full",),
    "uc_down_full": ("down", "full"),
    "uc_down_updown_cdown": ("down", "all", "guidance"),
    "uc_down_updown_full": ("down", "all", "full"),
}


def row_weights(guidance_type: str, scales: dict[str, float]) -> dict[str, float]:
    """Weights, summing to 1, of the rows whose sum is the guided epsilon; rows of weight 0 are left out.

    Args:
        guidance_type: one of `GUIDANCE_TYPES`.
        scales: the scales named in `SCALES_OF[guidance_type]`; the paper's value of each is 2.0.

    With equal `down` and `full` scales uc_down_full needs two rows, not three: the pose-only row cancels.
    """
    # uc + a*(down-uc) + b*(updown-down) + ... : each difference adds its scale to one row and takes it from another.
    differences = {
        "uc_full": (("full", "full", "uc"),),
        "updown_full": (("full", "full", "updown"),),
        "down_full": (("full", "full", "down"),),
        "uc_down_full": (("down", "down", "uc"), ("full", "full", "down")),
        "uc_down_updown_cdown": (("down", "down", "uc"), ("all", "updown", "down"), ("guidance", "cdown", "down")),
        "uc_down_updown_full": (("down", "down", "uc"), ("all", "updown", "down"), ("full", "full", "updown")),
    }[guidance_type]
    base = differences[0][2]
    weights = {base: 1.0}
    for scale, plus, minus in differences:
        weights[plus] = weights.get(plus, 0.0) + scales[scale]
        weights[minus] = weights.get(minus, 0.0) - scales[scale]
    return {row: weight for row, weight in weights.items() if weight != 0.0}


@dataclass(frozen=True)
class Term:
    """weight * (plus - minus), of two rows; the weight is `scale`, less the CFG's own where `less_cfg` says so."""

    scale: float
    plus: str
    minus: str
    less_cfg: bool = True

    def weight(self, cfg: Any) -> Any:
        """For a CFG scale, a number or whatever else numbers can be taken from."""
        return self.scale - cfg if self.less_cfg else self.scale


@dataclass(frozen=True)
class CFGAndTerms:
    """A guidance type as a sampler with classifier-free guidance sees it: its sum of two rows, and terms to be added.

    epsilon = uncond + cfg * (cond - uncond) + sum of the terms; equal to `row_weights`, but with rows that are true
    predictions, which other guidance can take apart.
    """

    cond: str
    uncond: str
    cfg: float
    terms: tuple[Term, ...] = ()


def as_cfg_and_terms(guidance_type: str, scales: dict[str, float]) -> CFGAndTerms:
    """The same as `row_weights`, for samplers that do classifier-free guidance themselves."""
    if guidance_type in ("uc_full", "updown_full", "down_full"):
        return CFGAndTerms("full", guidance_type.removesuffix("_full"), scales["full"])
    pose = Term(scales["down"], "down", "uc")
    if guidance_type == "uc_down_full":
        return CFGAndTerms("full", "uc", scales["full"], (pose,))
    if guidance_type == "uc_down_updown_full":
        return CFGAndTerms("full", "uc", scales["full"], (pose, Term(scales["all"], "updown", "down")))
    return CFGAndTerms("cdown", "uc", scales["guidance"], (pose, Term(scales["all"], "updown", "down", less_cfg=False)))
