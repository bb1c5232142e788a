"""The source person's appearance in the queries of the U-Net's cross-attention: hybrid-granularity attention."""

from collections.abc import Callable
from typing import Any

import comfy.model_patcher
import torch
from comfy.patcher_extension import CallbacksMP
from einops import rearrange

from ...cfld_modules.networks.hga import token_grid
from ...cfld_modules.networks.model import Appearance
from .conditioning import KEY, Percents
from .crops import Crop, cut, cut_mask, pick_rows
from .guidance import UNCONDITIONAL_PROMPT, check_before_sampling, guide_with_pose
from .key_values import LayerForward, add_key_values, check_base_model, cross_attention, rebind
from .networks import LoadedCFLD
from .unet_call import UNetCall, current_call, note_calls


def apply_hga(
    model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD, appearance: Appearance, strength: float,
    pose_guidance: float, percents: Percents, mask: torch.Tensor | None,
) -> comfy.model_patcher.ModelPatcher:
    """A clone of the model with CFLD's keys and values, the appearance in its queries and guidance by the pose."""
    check_base_model(model, cfld)
    patched = tracked_clone(model, cfld)
    add_key_values(patched, cfld)
    queries = AppearanceQueries(appearance, strength, percents, mask)
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

    def residual(self, block: int, query: torch.Tensor) -> torch.Tensor | None:
        """What is added to a layer's query (rows, L, C) in the call under way; None when nothing is."""
        call = current_call()
        if call is None or not self._acts_at(call):
            return None
        people, crops = self._people(call), call.crops
        if call.repeated is not None:
            people = torch.where(call.repeated.cpu() >= 0, people[call.repeated.cpu()], 0)
            crops = [crops[row] for row in call.repeated.tolist()]
        elif len(query) != len(people):
            return None  # rows of another pack's own
        return pick_rows(people, crops, lambda crop: self._prepared(block, query, call, crop))

    def _acts_at(self, call: UNetCall) -> bool:
        start, end = (call.patcher.model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        return end <= call.sigma <= start

    def _people(self, call: UNetCall) -> torch.Tensor:
        count = len(self.appearance.prompt)
        most = int(call.people.max())
        if count == 1:
            return call.people.clamp(max=1)  # one appearance serves all
        if most > count:
            raise ValueError(
                f"HGA Apply: input 'appearance' has {count} source people, and the conditioning {most}; connect the "
                "appearance of the same PRD Prompt Encoder, or of one person for all"
            )
        return call.people

    def _prepared(self, block: int, query: torch.Tensor, call: UNetCall, crop: Crop) -> torch.Tensor:
        """(people + 1, L, C) on the layer's grid, strength and mask in it; row 0 is zero."""
        key = (block, query.shape[1], call.latent_size, crop, query.dtype, query.device)
        if key not in self.prepared:
            grid = token_grid(query.shape[1], *call.latent_size)
            residuals = self.appearance.residuals[block].float()
            maps = rearrange(residuals, "b (h w) c -> b c h w", h=round(residuals.shape[1] ** 0.5))
            maps = cut(maps, crop.figure, grid) * self.strength
            if self.mask is not None:
                maps = maps * cut_mask(self.mask[:, None].float(), crop.picture, grid).to(maps.device)
            tokens = rearrange(maps, "b c h w -> b (h w) c")
            tokens = torch.cat([torch.zeros_like(tokens[:1]), tokens])
            self.prepared[key] = tokens.to(query.device, query.dtype)
        return self.prepared[key]


class QueryForward(LayerForward):
    """`to_q.forward` of an up block, with the appearance added to what `original` gives."""

    def __init__(self, queries: AppearanceQueries, block: int, original: Callable[..., torch.Tensor]) -> None:
        super().__init__(original)
        self.queries, self.block = queries, block

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        query = self.original(x, *args, **kwargs)
        residual = self.queries.residual(self.block, query)
        return query if residual is None else query + residual

    def around(self, original: Callable[..., torch.Tensor]) -> "QueryForward":
        return QueryForward(self.queries, self.block, original)
