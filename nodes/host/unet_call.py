"""State of one U-Net call for CFLD's layers: the person, the pose and the crop of each row of the batch.

A layer sees tokens only. The call reaches it through a context variable, which is a thread's and a call's own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as functional

from .conditioning import APPEARANCE_ROW, POSE_ROW
from .crops import CROP, SAMPLES, WHOLE, Crop, Part, locate, row_crops
from .notices import warn

# Contexts this alike are one: other packs repeat and scale them.
SAME_CONTEXT = 0.999

Answer = TypeVar("Answer")


@dataclass(eq=False)
class UNetCall:
    """A U-Net call some row of which is CFLD's.

    Attributes:
        patcher: the host's model patcher under way.
        sigma: (rows,) noise level.
        latents: (rows, channels, height, width).
        people: who is in each row, 0 for nobody; None where the context is not CFLD's.
        poses: which pose is in each row, 0 for none; None where no row has one.
        context: (rows, tokens, width), as the U-Net gets it.
        given_context: the same as the host hands it on: often still on the CPU, where comparing it waits for no GPU.
        crops: of each row.
        repeated: where another pack has repeated rows for the layer under way, which row each one is; -1 for none.
    """

    patcher: Any
    sigma: torch.Tensor
    latents: torch.Tensor
    people: list[int] | None
    poses: list[int] | None
    context: torch.Tensor
    given_context: torch.Tensor
    crops: list[Crop]
    repeated: list[int] | None = None
    answers: dict[Any, Any] = field(default_factory=dict)

    @property
    def latent_size(self) -> tuple[int, int]:
        return tuple(self.latents.shape[2:])

    def once(self, owner: Any, compute: Callable[[], Answer]) -> Answer:
        """What an asker wants to know of the call, computed once for all layers."""
        if owner not in self.answers:
            self.answers[owner] = compute()
        return self.answers[owner]

    def rows_like(self, contexts: torch.Tensor) -> list[int]:
        """For contexts (n, tokens, width): the call's row that has each one; -1 for none, text say."""
        tokens, prompts = self.context.shape[1], self.context.flatten(1).to(contexts.device, torch.float32)
        if contexts.shape[1] < tokens or contexts.shape[2:] != self.context.shape[2:]:
            return [-1] * len(contexts)
        # A shorter context is repeated to the length of a longer one.
        new_contexts = contexts[:, :tokens].flatten(1).float()
        best, row = (functional.normalize(new_contexts) @ functional.normalize(prompts).T).max(dim=1)
        return torch.where(best > SAME_CONTEXT, row, -1).tolist()

    def are_own_tokens(self, contexts: torch.Tensor) -> bool:
        """Whether each token of contexts (rows, n, width) is one of its own row's."""
        if len(contexts) != len(self.context) or contexts.shape[2:] != self.context.shape[2:]:
            return False
        prompts = functional.normalize(self.context.to(contexts.device, torch.float32), dim=-1)
        likeness = functional.normalize(contexts.float(), dim=-1) @ prompts.transpose(1, 2)
        return bool((likeness.amax(dim=-1) > SAME_CONTEXT).all())


_call: ContextVar[UNetCall | None] = ContextVar("cfld_call", default=None)
_step_latents: ContextVar[torch.Tensor | None] = ContextVar("cfld_step_latents", default=None)


def current_call() -> UNetCall | None:
    return _call.get()


def step_latents() -> torch.Tensor | None:
    """(B, channels, height, width), all that the sampler predicts in the step under way; None outside of a step."""
    return _step_latents.get()


def in_step(latents: torch.Tensor) -> AbstractContextManager[None]:
    return _having(_step_latents, latents)


def in_call(
    model: Any, latents: torch.Tensor, sigma: torch.Tensor, context: torch.Tensor, given_context: torch.Tensor,
    conds: Mapping[str, Any],
) -> AbstractContextManager[None]:
    """Makes a call known to the layers; one without a row of CFLD's hides the call around it."""
    call = None
    if APPEARANCE_ROW in conds or POSE_ROW in conds:
        people, poses = (conds[key].tolist() if key in conds else None for key in (APPEARANCE_ROW, POSE_ROW))
        crops = _crops(latents, conds.get(CROP))
        call = UNetCall(model.current_patcher, sigma, latents, people, poses, context, given_context, crops)
    return _having(_call, call)


def in_part_of(
    call: UNetCall, latents: torch.Tensor, context: torch.Tensor, given_context: torch.Tensor
) -> AbstractContextManager[None]:
    """A call whose latents another pack has cut out of a known one's, and whose rows it has not handed on."""
    located_parts = locate(latents, call.latents) if len(latents) == len(call.latents) else None
    if located_parts is None:
        warn_of_a_part(latents, call.latents)
        return nullcontext()
    crops = [_within(part, crop) for crop, (_, part) in zip(call.crops, located_parts, strict=True)]
    part = UNetCall(call.patcher, call.sigma, latents, call.people, call.poses, context, given_context, crops)
    return _having(_call, part)


@contextmanager
def _having(variable: ContextVar, value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def _crops(latents: torch.Tensor, coordinates: torch.Tensor | None) -> list[Crop]:
    """Each row's: from coordinates that were cropped with it, else from where it was cut out."""
    if coordinates is not None and coordinates.shape[2:] == tuple(SAMPLES * side for side in latents.shape[2:]):
        return row_crops(coordinates)
    outer_call, step = current_call(), step_latents()
    whole = [Crop(WHOLE, WHOLE)] * len(latents)
    if outer_call is not None:
        outer_latents, outer_crops = outer_call.latents, outer_call.crops
    elif step is not None:
        outer_latents, outer_crops = step, [Crop(WHOLE, WHOLE)] * len(step)
    else:
        return whole
    if outer_latents.shape[2:] == latents.shape[2:]:
        return outer_crops if len(outer_crops) == len(latents) else whole
    located_parts = locate(latents, outer_latents)
    if located_parts is None:
        warn_of_a_part(latents, outer_latents)
        return whole
    return [_within(part, outer_crops[row]) for row, part in located_parts]


def _within(part: Part, crop: Crop) -> Crop:
    return Crop(part.of(crop.picture), part.of(crop.figure))


def warn_of_a_part(latents: torch.Tensor, whole: torch.Tensor) -> None:
    (height, width), (rows, columns) = whole.shape[2:], latents.shape[2:]
    warn(
        f"HGA Apply: another node computes latents of {columns}x{rows} in a step of {width}x{height}, and nothing "
        "tells which part of the picture they are, so they get the whole figure. Leave that node out, or give it the "
        "model from before HGA Apply and a text."
    )
