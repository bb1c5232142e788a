"""Guider that samples a person and a scene together: each by a guider of ComfyUI's own, fused in each step.

The scene's guider samples with a sampler that runs the person's whole sampling: both models are then prepared, hooked,
wrapped and cleaned up by the host alone, as if each were the only one.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

from ...cfld_modules.saliency import Fusion, fuse
from .conditioning import KEY, Entry, Percents, is_cfld, is_whole
from .guidance import weights_of
from .object_patches import PatchedMethod

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
        self.host_function: Callable | None = None

    def set_scene(self, positive: list, negative: list) -> None:
        self.scene_conds = positive, negative

    def sample(
        self, noise: torch.Tensor, latent_image: torch.Tensor, sampler: Any, sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None = None, callback: Callable | None = None, disable_pbar: bool = False,
        seed: int | None = None,
    ) -> torch.Tensor:
        patcher, latents = self.model_patcher, latent_image
        person, scene = _loadable_together(patcher, self.scene_model.clone(), self.scene_conds)
        guider = self._scene_guider(scene)
        self.host_function = comfy.samplers.sampling_function

        def sample_person(scene_options: dict) -> None:
            nonlocal latents
            self._check_function("scene_model", scene, person)
            self.sides = _Side(self, super(SceneGuider, self).outer_predict_noise), _Side(guider, guider, scene_options)
            latents = super(SceneGuider, self).sample(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
            )

        self.model_patcher, self.scene_patcher, self.fusion = person, scene, None
        inner_sampler = _InPlaceOfASampler(sample_person)
        try:
            guider.sample(noise, latent_image, inner_sampler, sigmas, denoise_mask, None, True, seed)
        finally:
            self.sides = self.scene_patcher = None
            self.model_patcher = patcher  # the weights may have been a copy
        return latents

    def _check_function(self, name: str, patcher: comfy.model_patcher.ModelPatcher, other: Any) -> None:
        """That no pack on one of the two models alone has put its own function in place of the host's."""
        if comfy.samplers.sampling_function is self.host_function:
            return
        packs, others = (one.wrappers.get(WrappersMP.OUTER_SAMPLE, {}).keys() for one in (patcher, other))
        unshared_packs = packs - others - {KEY}
        if not unshared_packs:
            return
        raise ValueError(
            f"CFLD Scene Guider: input '{name}' alone carries {', '.join(map(str, unshared_packs))}, which "
            f"samples in place of the host while it lasts ({comfy.samplers.sampling_function.__module__}), as "
            "AnimateDiff does; put it on both models, before HGA Apply, or on neither"
        )

    def outer_sample(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Loads the scene's model together with the person's, so that neither makes the other go."""
        if not self.scene_patcher.is_clone(self.model_patcher):
            first, *others = self.conds["positive"]
            patchers = [*first.get("additional_models", []), self.scene_patcher]
            self.conds["positive"] = [first | {"additional_models": patchers}, *others]
        return super().outer_sample(*args, **kwargs)

    def outer_predict_noise(
        self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict | None = None, seed: int | None = None
    ) -> torch.Tensor:
        self._check_function("model", self.model_patcher, self.scene_patcher)
        start, end = (self.inner_model.model_sampling.percent_to_sigma(percent) for percent in self.percents)
        options, (person, scene) = model_options or {}, self.sides
        own = self.model_options.get(AFTER_CFG, [])
        of_sampler = [function for function in options.get(AFTER_CFG, []) if function not in own]
        has_both = is_whole(start, end)
        if not has_both and timestep[0] <= end:
            return person.predict(x, timestep, options, seed)
        if not has_both and timestep[0] > start:
            return scene.predict(x, timestep, scene.options | _after_cfg(scene.options, options, of_sampler), seed)
        both_rows = {"disable_cfg1_optimization": True}
        persons = person.predict(x, timestep, options | both_rows | {AFTER_CFG: own}, seed)
        scenes = scene.predict(x, timestep, scene.options | both_rows, seed)
        sigma = timestep.reshape(-1, 1, 1, 1)  # predictions are of denoised latents; saliency is of noise
        self.fusion = fuse(person.response / sigma, scene.response / sigma).within(
            *(_covered(side.guider.conds["positive"], x, timestep) for side in (person, scene))
        )
        fused = self.fusion.of(persons, scenes)
        for function in of_sampler:
            fused = function(person.arguments | {
                "denoised": fused,
                "cond_denoised": self.fusion.of(person.arguments["cond_denoised"], scene.arguments["cond_denoised"]),
                "uncond_denoised": self.fusion.of(persons - person.response, scenes - scene.response),
            })
        return fused

    def _scene_guider(self, patcher: comfy.model_patcher.ModelPatcher) -> comfy.samplers.CFGGuider:
        guider = comfy.samplers.CFGGuider(patcher)
        guider.set_conds(*self.scene_conds)
        guider.set_cfg(self.scene_guidance)
        if not any(is_cfld(entry) for entries in guider.original_conds.values() for entry in entries):
            # HGA Apply's check, which would miss CFLD's conditioning.
            guider.model_patcher.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, KEY)
        return guider


@dataclass(eq=False)
class _Side:
    """What one of the two guiders predicts, and what its guidance had to do with it.

    Attributes:
        response: (B, C, H, W), what guidance added to the unconditional prediction, in the last step that was computed.
        arguments: of the functions after guidance in that step.
    """

    guider: comfy.samplers.CFGGuider
    predict_noise: Callable[..., torch.Tensor]
    options: dict = field(default_factory=dict)
    response: torch.Tensor | None = None
    arguments: dict = field(default_factory=dict)

    def predict(self, x: torch.Tensor, timestep: torch.Tensor, options: dict, seed: int | None) -> torch.Tensor:
        if self.response is None:
            self.response = torch.zeros_like(x)

        def note(arguments: dict) -> torch.Tensor:  # a function, since other packs copy options deeply
            """The last one after guidance. A step that a cache of other packs leaves out keeps the response before."""
            if arguments["uncond"] is not None:
                self.response = arguments["denoised"] - arguments["uncond_denoised"]
                self.arguments = arguments
            return arguments["denoised"]

        return self.predict_noise(x, timestep, options | {AFTER_CFG: [*options.get(AFTER_CFG, []), note]}, seed)


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


def _after_cfg(scene_options: dict, options: dict, of_sampler: list) -> dict:
    """The model options with which a sampler's functions after guidance, those of CFG++ say, follow another guider."""
    if not of_sampler:
        return {}
    return {
        AFTER_CFG: [*scene_options.get(AFTER_CFG, []), *of_sampler],
        "disable_cfg1_optimization": options.get("disable_cfg1_optimization", False),
    }


Patcher = comfy.model_patcher.ModelPatcher


def _loadable_together(person: Patcher, scene: Patcher, scene_conds: tuple) -> tuple[Patcher, Patcher]:
    """Clones of both models that can run while the other is loaded.

    Patchers of one checkpoint share its weights, into which the last one loaded has put its LoRAs and layers. Where the
    scene has the same, its rows run on what the person has loaded: HGA Apply's layers leave text alone. Else one of the
    two gets weights of its own for as long as the sampling lasts: the one without injections, which hold on to the
    layers that they were made for. Raises ValueError when each has injections of its own.
    """
    if not scene.is_clone(person):
        return person, scene
    has_hooks = any(comfy.sampler_helpers.cond_has_hooks(conditioning) for conditioning in scene_conds)
    if _loads_alike(person, scene) and not has_hooks:
        return person, scene
    if person.injections and scene.injections:
        raise ValueError(
            f"CFLD Scene Guider: inputs 'model' and 'scene_model' are one checkpoint, and each injects layers of its "
            f"own into it ({', '.join(person.injections)}; {', '.join(scene.injections)}); load the checkpoint by a "
            "loader of its own for the scene, or give both the same"
        )
    return (_with_own_weights(person), scene) if scene.injections else (person, _with_own_weights(scene))


def _with_own_weights(patcher: Patcher) -> Patcher:
    if patcher.is_dynamic():  # weights in the care of the host's allocator, which copies by loading again
        return patcher.get_non_dynamic_delegate()
    # Whoever has put something into the weights takes it out.
    loaded = comfy.model_management.current_loaded_models
    others = [one for one in loaded if one.model is None or not one.model.is_clone(patcher)]
    comfy.model_management.free_memory(1e30, patcher.load_device, others)
    config = patcher.model.model_config  # which cannot be copied
    weights = copy.deepcopy(patcher.model, {id(config): config})
    copied = patcher.clone(model_override=(weights, ({}, {}, {}, set())))
    copied.hook_backup = {}
    return copied


def _loads_alike(person: Patcher, scene: Patcher) -> bool:
    """Whether two patchers of one checkpoint, once loaded, differ at most by HGA Apply's layers in the person's."""
    patches = person.object_patches
    others = [name for name, patch in patches.items() if not isinstance(patch, PatchedMethod)]
    return (
        scene.patches_uuid == person.patches_uuid
        and scene.injections == person.injections
        and all(patches.get(name) is patch for name, patch in scene.object_patches.items())
        and all(name in scene.object_patches for name in others)
    )
