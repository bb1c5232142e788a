"""A person's appearance, added to the queries of the U-Net's cross-attention (hybrid-granularity attention)."""

from collections.abc import Callable
from typing import Any

import comfy.model_patcher
import torch
from comfy.patcher_extension import CallbacksMP
from einops import rearrange

from ...cfld_modules.networks.hga import token_grid
from ...cfld_modules.networks.model import Appearance
from .conditioning import KEY, Percents, is_within
from .crops import Crop, add_rows, cut, cut_mask
from .guidance import UNCONDITIONAL_PROMPT, check_before_sampling, guide_with_pose
from .key_values import add_key_values, check_base_model, cross_attention
from .networks import LoadedCFLD
from .object_patches import PatchedMethod, as_meant, rebind
from .unet_call import UNetCall, current_call
from .unet_wrappers import note_calls


def apply_hga(
    model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD, appearance: Appearance, strength: float,
    pose_guidance: float, percents: Percents, mask: torch.Tensor | None,
) -> comfy.model_patcher.ModelPatcher:
    """A clone of the model with CFLD's keys and values, the appearance in its queries and guidance by the pose."""
    queries = AppearanceQueries(appearance, strength, percents, mask)
    with as_meant(model):
        check_base_model(model, cfld)
        patched = tracked_clone(model, cfld)
        add_key_values(patched, cfld)
        for block in appearance.residuals:
            name = f"{cross_attention(block)}.to_q.forward"
            patched.add_object_patch(name, QueryForward(queries, block, patched.get_model_object(name)))
    patched.add_callback_with_key(CallbacksMP.ON_CLEANUP, KEY, lambda _: queries.prepared.clear())
    patched.remove_callbacks_with_key(CallbacksMP.ON_CLONE, KEY)  # of an HGA Apply before this one
    patched.add_callback_with_key(CallbacksMP.ON_CLONE, KEY, rebind)
    guide_with_pose(patched, pose_guidance)
    return patched


def tracked_clone(
    model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD
) -> comfy.model_patcher.ModelPatcher:
    """A clone that computes what the model does, but knows of its calls: what HGA Apply is when it is to do nothing."""
    patched = model.clone()
    note_calls(patched)
    check_before_sampling(patched)
    patched.set_attachments(UNCONDITIONAL_PROMPT, cfld.networks.model.networks.learnable_vector.float())
    return patched


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

    def add_to(self, block: int, query: torch.Tensor) -> torch.Tensor:
        """A layer's query (rows, L, C) in the call under way, in place, with the appearance of each row's person."""
        call = current_call()
        people = None if call is None or call.people is None else call.once(self, lambda: self._people(call))
        if people is None:
            return query
        crops = call.crops
        if call.repeated is not None:
            people = [people[row] if row >= 0 else 0 for row in call.repeated]
            crops = [crops[row] for row in call.repeated]
        elif len(query) != len(people):
            return query  # rows of another pack's own
        return add_rows(query, people, crops, lambda crop: self._prepared(block, query, call, crop))

    def _people(self, call: UNetCall) -> list[int] | None:
        """Whose appearance each row of a call gets; None when the call's step is out of range."""
        start, end = (call.patcher.model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        if not is_within(call.sigma, start, end):
            return None
        count, highest = len(self.appearance.prompt), max(call.people)
        if count == 1:
            return [min(person, 1) for person in call.people]  # one appearance serves all
        if highest > count:
            raise ValueError(
                f"HGA Apply: input 'appearance' has {count} source people, and the conditioning {highest}; connect the "
                "appearance of the same PRD Prompt Encoder, or of one person for all"
            )
        return call.people

    def _prepared(self, block: int, query: torch.Tensor, call: UNetCall, crop: Crop) -> torch.Tensor:
        """(people, L, C) on the layer's grid, strength and mask in it."""
        key = (block, query.shape[1], call.latent_size, crop, query.dtype, query.device)
        if key not in self.prepared:
            grid = token_grid(query.shape[1], *call.latent_size)
            residuals = self.appearance.residuals[block].float()
            maps = rearrange(residuals, "b (h w) c -> b c h w", h=round(residuals.shape[1] ** 0.5))
            maps = cut(maps, crop.figure, grid) * self.strength
            if self.mask is not None:
                maps = maps * cut_mask(self.mask[:, None].float(), crop.picture, grid).to(maps.device)
            self.prepared[key] = rearrange(maps, "b c h w -> b (h w) c").to(query.device, query.dtype)
        return self.prepared[key]


class QueryForward(PatchedMethod):
    """`to_q.forward` of an up block, with the appearance added to what `original` gives."""

    def __init__(self, queries: AppearanceQueries, block: int, original: Callable[..., torch.Tensor]) -> None:
        super().__init__(original)
        self.queries, self.block = queries, block

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.queries.add_to(self.block, self.original(x, *args, **kwargs))
