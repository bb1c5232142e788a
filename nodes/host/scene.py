"""A person and a scene in one sampling, each predicted by a guider of the host's own.

The scene's guider samples with a sampler that runs the person's whole sampling: both models are then prepared, hooked,
wrapped and cleaned up by the host alone, as if each were the only one.
"""

import copy
from collections.abc import Callable
from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

from ...cfld_modules.saliency import Fusion, fuse
from .conditioning import KEY, Entry, Percents, is_cfld
from .guidance import weights_of
from .key_values import LayerForward

AFTER_CFG = "sampler_post_cfg_function"


class SceneGuider(comfy.samplers.CFGGuider):
    """The scene alone, then both by saliency-adaptive noise fusion, then the person alone.

    Each of the two is guided as a sampler with one cfg guides it: the person by HGA Apply's three branches.

    Args:
        scene_model: predicts the scene; may be `model` itself.
        percents: shares of the sampling where the fusion begins and ends.

    Attributes:
        fusion: the last fused step's, None before there was one.
    """

    def __init__(
        self, model: comfy.model_patcher.ModelPatcher, scene_model: comfy.model_patcher.ModelPatcher,
        person_guidance: float, scene_guidance: float, percents: Percents,
    ) -> None:
        super().__init__(model)
        self.cfg = person_guidance
        self.scene_model, self.scene_guidance, self.percents = scene_model, scene_guidance, percents
        self.scene_conds: tuple[list, list] = ([], [])
        self.fusion: Fusion | None = None
        self.sides: tuple[_Side, _Side] | None = None  # as long as a sampling lasts
        self.scene_patcher: comfy.model_patcher.ModelPatcher | None = None

    def set_scene(self, positive: list, negative: list) -> None:
        self.scene_conds = positive, negative

    def sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, sampler: Any, sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None = None, callback: Callable | None = None, disable_pbar: bool = False,
        seed: int | None = None,
    ) -> torch.Tensor:
        guider, latents = self._scene_guider(), latent_image

        def sample_person(scene_options: dict) -> None:
            nonlocal latents
            self.sides = _Side(self, super(SceneGuider, self).outer_predict_noise), _Side(guider, guider, scene_options)
            latents = super(SceneGuider, self).sample(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
            )

        self.scene_patcher, self.fusion = guider.model_patcher, None
        nested = _InPlaceOfASampler(sample_person)
        try:
            guider.sample(noise, latent_image, nested, sigmas, denoise_mask, None, True, seed)
        finally:
            self.sides = self.scene_patcher = None  # the weights may be a copy
        return latents

    def outer_sample(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Loads the scene's model together with the person's, so that neither makes the other go."""
        if not self.scene_patcher.is_clone(self.model_patcher):
            first, *others = self.conds["positive"]
            together = [*first.get("additional_models", []), self.scene_patcher]
            self.conds["positive"] = [first | {"additional_models": together}, *others]
        return super().outer_sample(*args, **kwargs)

    def outer_predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict | None = None, seed: int | None = None
    ) -> torch.Tensor:
        start, end = (self.inner_model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        options, (person, scene) = model_options or {}, self.sides
        own = self.model_options.get(AFTER_CFG, [])
        of_the_sampler = [function for function in options.get(AFTER_CFG, []) if function not in own]
        if timestep[0] <= end:
            return person.predict(x, timestep, options, seed)
        if timestep[0] > start:
            return scene.predict(x, timestep, scene.options | _after_cfg(scene.options, options, of_the_sampler), seed)
        both_rows = {"disable_cfg1_optimization": True}
        persons = person.predict(x, timestep, options | both_rows | {AFTER_CFG: own}, seed)
        scenes = scene.predict(x, timestep, scene.options | both_rows, seed)
        sigma = timestep.reshape(-1, 1, 1, 1)  # predictions are of denoised latents; saliency is of noise
        self.fusion = fuse(person.response / sigma, scene.response / sigma).within(
            *(_covered(side.guider.conds["positive"], x, timestep) for side in (person, scene))
        )
        fused = self.fusion.of(persons, scenes)
        for function in of_the_sampler:
            fused = function(person.arguments | {
                "denoised": fused,
                "cond_denoised": self.fusion.of(person.arguments["cond_denoised"], scene.arguments["cond_denoised"]),
                "uncond_denoised": self.fusion.of(persons - person.response, scenes - scene.response),
            })
        return fused

    def _scene_guider(self) -> comfy.samplers.CFGGuider:
        guider = comfy.samplers.CFGGuider(_loadable_beside(self.model_patcher, self.scene_model, self.scene_conds))
        guider.set_conds(*self.scene_conds)
        guider.set_cfg(self.scene_guidance)
        if not any(is_cfld(entry) for entries in guider.original_conds.values() for entry in entries):
            # HGA Apply's check, which would miss CFLD's conditioning.
            guider.model_patcher.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, KEY)
        return guider


class _Side:
    """What one of the two guiders predicts, and what its guidance had to do with it.

    Attributes:
        response: (B, C, H, W), what guidance added to the unconditional prediction, in the last step that was computed.
        arguments: of the functions after guidance in that step.
    """

    def __init__(
        self, guider: comfy.samplers.CFGGuider, predict_noise: Callable[..., torch.Tensor], options: dict | None = None
    ) -> None:
        self.guider, self.predict_noise, self.options = guider, predict_noise, options or {}
        self.response: torch.Tensor | None = None
        self.arguments: dict = {}

    def predict(self, x: torch.Tensor, timestep: torch.Tensor, options: dict, seed: int | None) -> torch.Tensor:
        if self.response is None:
            self.response = torch.zeros_like(x)
        return self.predict_noise(x, timestep, options | {AFTER_CFG: [*options.get(AFTER_CFG, []), self._note]}, seed)

    def _note(self, arguments: dict) -> torch.Tensor:
        """The last function after guidance. A step that a cache of other packs leaves out keeps the response before."""
        if arguments["uncond"] is not None:
            self.response = arguments["denoised"] - arguments["uncond_denoised"]
            self.arguments = arguments
        return arguments["denoised"]


class _InPlaceOfASampler(comfy.samplers.Sampler):
    """Runs what is to be run while a guider's model is ready; its own result means nothing."""

    def __init__(self, run: Callable[[dict], None]) -> None:
        self.run = run

    def sample(
        self, model_wrap: Any, sigmas: torch.Tensor, extra_args: dict, callback: Any, noise: torch.Tensor, *args: Any
    ) -> torch.Tensor:
        self.run(extra_args["model_options"])
        return noise


def _covered(entries: list[Entry], x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) of bool: where there is a prediction; areas, masks and ranges of conditioning leave places out."""
    covered = torch.zeros_like(x[:, :1], dtype=torch.bool)
    for entry in entries:
        weights = weights_of(entry, x, timestep)
        if weights is not None:
            covered |= weights[:, :1] > 0
    return covered


def _after_cfg(own: dict, given: dict, of_the_sampler: list) -> dict:
    """The model options with which a sampler's functions after guidance, those of CFG++ say, follow another guider."""
    if not of_the_sampler:
        return {}
    return {
        AFTER_CFG: [*own.get(AFTER_CFG, []), *of_the_sampler],
        "disable_cfg1_optimization": given.get("disable_cfg1_optimization", False),
    }


def _loadable_beside(
    model: comfy.model_patcher.ModelPatcher, scene_model: comfy.model_patcher.ModelPatcher, scene_conds: tuple
) -> comfy.model_patcher.ModelPatcher:
    """A clone of the scene's model that can run while the person's is loaded.

    Patchers of one checkpoint share its weights, into which the last one loaded has put its LoRAs and layers. Where the
    scene has the same, its rows run on what the person has loaded: HGA Apply's layers leave text alone. Else it gets
    weights of its own for as long as the sampling lasts.
    """
    scene = scene_model.clone()
    if not scene.is_clone(model):
        return scene
    has_hooks = any(comfy.sampler_helpers.cond_has_hooks(conditioning) for conditioning in scene_conds)
    if _loads_alike(model, scene) and not has_hooks:
        return scene
    if scene.is_dynamic():  # weights in the care of the host's allocator, which copies by loading again
        return scene.get_non_dynamic_delegate()
    scene.detach()  # takes off what is put into the weights
    config = scene.model.model_config  # which cannot be copied
    weights = copy.deepcopy(scene.model, {id(config): config})
    copied = scene.clone(model_override=(weights, ({}, {}, {}, set())))
    copied.hook_backup = {}
    return copied


def _loads_alike(model: comfy.model_patcher.ModelPatcher, scene: comfy.model_patcher.ModelPatcher) -> bool:
    """Whether two patchers of one checkpoint, once loaded, differ at most by HGA Apply's layers in the person's."""
    patches = model.object_patches
    others = [name for name, patch in patches.items() if not isinstance(patch, LayerForward)]
    return (
        scene.patches_uuid == model.patches_uuid
        and scene.injections.keys() == model.injections.keys()
        and all(patches.get(name) is patch for name, patch in scene.object_patches.items())
        and all(name in scene.object_patches for name in others)
    )
