"""Guidance types: weighted sums of predictions under different conditions, in one table (docs/method.md, section 8)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple


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


class Difference(NamedTuple):
    """scale * (plus - minus), of two rows; the scale by its name."""

    scale: str
    plus: str
    minus: str


# epsilon = the first difference's `minus`, plus every difference. The last one's scale is the cfg of a sampler.
GUIDANCE: dict[str, tuple[Difference, ...]] = {
    "uc_down_full": (Difference("down", "down", "uc"), Difference("full", "full", "down")),
    "uc_full": (Difference("full", "full", "uc"),),
    "updown_full": (Difference("full", "full", "updown"),),
    "down_full": (Difference("full", "full", "down"),),
    "uc_down_updown_cdown": (
        Difference("down", "down", "uc"), Difference("all", "updown", "down"), Difference("guidance", "cdown", "down")
    ),
    "uc_down_updown_full": (
        Difference("down", "down", "uc"), Difference("all", "updown", "down"), Difference("full", "full", "updown")
    ),
}
GUIDANCE_TYPES = tuple(GUIDANCE)  # the paper's first
SCALES_OF = {name: tuple(difference.scale for difference in differences) for name, differences in GUIDANCE.items()}
UNGUIDED: dict[str, Any] = {"guidance_type": "uc_full", "scales": {"full": 1.0}}
"""One row a step, as a LoRA of `distil` is sampled; keywords of `CFLDPipeline.denoise`."""
if TYPE_CHECKING:
    GuidanceType = str
else:
    GuidanceType = Literal[GUIDANCE_TYPES]


def differences_of(guidance_type: str) -> tuple[Difference, ...]:
    """Raises ValueError for a type that is not in the table."""
    if guidance_type not in GUIDANCE:
        raise ValueError(f"guidance type '{guidance_type}' is none of {', '.join(GUIDANCE_TYPES)}")
    return GUIDANCE[guidance_type]


def row_weights(guidance_type: str, scales: dict[str, float]) -> dict[str, float]:
    """Weights, summing to 1, of the rows whose sum is the guided epsilon; rows of weight 0 are left out.

    scales: those named in `SCALES_OF[guidance_type]`; the paper's value of each is 2.0. With equal `down` and `full`
        scales uc_down_full needs two rows, not three: the pose-only row cancels.
    """
    differences = differences_of(guidance_type)
    weights = {differences[0].minus: 1.0}
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
    """The same as `row_weights`, for samplers that do classifier-free guidance themselves.

    Their cfg leads from the first row to the last one's `plus`, so it has already scaled every difference on the way to
    the last one's `minus`.
    """
    *others, last = differences_of(guidance_type)
    earlier = {difference.plus: difference for difference in others}
    scaled_by_cfg, row = set(), last.minus
    while row in earlier:
        scaled_by_cfg.add(earlier[row])
        row = earlier[row].minus
    terms = tuple(
        Term(scales[difference.scale], difference.plus, difference.minus, difference in scaled_by_cfg)
        for difference in others
    )
    return CFGAndTerms(last.plus, row, scales[last.scale], terms)
