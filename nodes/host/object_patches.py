"""Patches methods of a model through ComfyUI's object patches; each patch wraps the one before it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import MethodType

import comfy.model_management
import comfy.model_patcher
import torch


@contextmanager
def as_meant(patcher: comfy.model_patcher.ModelPatcher) -> Iterator[None]:
    """The model's layers without what a loaded clone of it has injected, which is gone when that clone is unloaded."""
    with ExitStack() as ejections:
        for loaded in comfy.model_management.current_loaded_models:
            if loaded.model is not None and loaded.model.is_clone(patcher):
                ejections.enter_context(loaded.model.use_ejected())
        yield


class PatchedMethod:
    """A method of the model or of a layer, around `original`."""

    def __init__(self, original: Callable[..., torch.Tensor]) -> None:
        self.original = original

    def bound_to(self, owner: torch.nn.Module) -> "PatchedMethod":
        """The same around the methods of another model or layer."""
        bound = copy.copy(self)
        if isinstance(self.original, PatchedMethod):
            bound.original = self.original.bound_to(owner)
        elif isinstance(self.original, MethodType):
            bound.original = MethodType(self.original.__func__, owner)
        return bound


def rebind(patcher: comfy.model_patcher.ModelPatcher, clone: comfy.model_patcher.ModelPatcher) -> None:
    """The host clones onto another copy of the weights for several GPUs, and for hooks with dynamic memory."""
    if clone.model is patcher.model:
        return
    for name, patch in clone.object_patches.items():
        if isinstance(patch, PatchedMethod):
            owner = name.rpartition(".")[0]
            clone.object_patches[name] = patch.bound_to(clone.get_model_object(owner) if owner else clone.model)
