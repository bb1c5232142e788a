"""CFLD's trained keys and values: for rows whose context is CFLD's, beside the model's own for all others."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import comfy.lora
import comfy.model_management
import comfy.model_patcher
import torch
import torch.nn.functional as functional
from comfy.patcher_extension import CallbacksMP
from comfy.weight_adapter import WeightAdapterBase

from ...cfld_modules.checkpoints.cfld_checkpoint import key_value_name
from .conditioning import KEY
from .networks import LoadedCFLD
from .unet_call import current_call

BLOCKS = range(3, 12)


def cross_attention(block: int) -> str:
    """The host's name of a block's cross-attention, `block` as in LDM's output_blocks."""
    return f"diffusion_model.output_blocks.{block}.1.transformer_blocks.0.attn2"


def check_base_model(model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD) -> None:
    """
    Raises:
        ValueError: when the model has not the layers that the checkpoint was trained for, or another checkpoint's.
    """
    applied = model.get_attachment(KEY)
    if applied is not None and applied != cfld.name:
        raise ValueError(
            f"HGA Apply: input 'model' already carries the CFLD checkpoint '{applied}', and 'cfld' is '{cfld.name}'; "
            "use one checkpoint for all HGA Apply nodes of a model"
        )
    state = model.model_state_dict("diffusion_model.output_blocks.")
    for (block, part), matrix in _trained(cfld).items():
        key = f"{cross_attention(block)}.to_{part}.weight"
        if key not in state or state[key].shape != matrix.shape:
            found = f"{tuple(state[key].shape)} at {key}" if key in state else f"no {key}"
            raise ValueError(
                f"HGA Apply: input 'model' is a {type(model.model).__name__} with {found}, but '{cfld.name}' needs "
                f"{tuple(matrix.shape)} there; connect the Stable Diffusion 1.5 model this checkpoint was trained for"
            )


def add_key_values(patcher: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD) -> None:
    """Once a model, however many HGA Apply nodes it goes through. Nothing changes in the model's weights."""
    if patcher.get_attachment(KEY) is not None:
        return
    patcher.set_attachments(KEY, cfld.name)
    differences = KeyValueDifferences(_trained(cfld))
    for block, part in _trained(cfld):
        name = f"{cross_attention(block)}.to_{part}.forward"
        patcher.add_object_patch(name, KeyValueForward(differences, block, part, patcher.get_model_object(name)))
    patcher.add_callback_with_key(CallbacksMP.ON_CLEANUP, f"{KEY}_key_values", lambda _: differences.prepared.clear())


def _trained(cfld: LoadedCFLD) -> dict[tuple[int, str], torch.Tensor]:
    return {(block, part): cfld.key_values[key_value_name(block, part)] for block in BLOCKS for part in "kv"}


class KeyValueDifferences:
    """What the trained matrices differ by from those of the model under way, as long as a sampling lasts."""

    def __init__(self, trained: dict[tuple[int, str], torch.Tensor]) -> None:
        self.trained = trained
        self.prepared: dict[Any, torch.Tensor] = {}

    def of(self, patcher: comfy.model_patcher.ModelPatcher, block: int, part: str, like: torch.Tensor) -> torch.Tensor:
        """trained - reference, (width, context width).

        The reference is the model's matrix with what replaces or scales it, a merge say, and without what only adds,
        a LoRA say: CFLD's rows then have the trained matrix and all that LoRAs add, whatever the order of nodes.
        """
        key = (patcher.patches_uuid, block, part, like.dtype, like.device)
        if key not in self.prepared:
            name = f"{cross_attention(block)}.to_{part}.weight"
            difference = self.trained[block, part].float() - _reference(patcher, name)
            self.prepared[key] = difference.to(like.device, like.dtype)
        return self.prepared[key]


def _reference(patcher: comfy.model_patcher.ModelPatcher, name: str) -> torch.Tensor:
    weight, _, convert = comfy.model_patcher.get_key_weight(patcher.model, name)
    if name in patcher.backup:
        weight = patcher.backup[name].weight
    if name in patcher.hook_backup:
        weight = patcher.hook_backup[name][0]
    weight = comfy.model_management.cast_to_device(weight, torch.device("cpu"), torch.float32, copy=True)
    if convert is not None:
        weight = convert(weight, inplace=True)
    replacing = [patch for patch in patcher.patches.get(name, []) if not _only_adds(patch)]
    return comfy.lora.calculate_weight(replacing, weight, name)


def _only_adds(patch: tuple) -> bool:
    """Of one of the host's weight patches, (strength, value, strength of the model, ...)."""
    value, strength_model = patch[1], patch[2]
    if strength_model != 1.0 or isinstance(value, list):  # scaled; another model's matrix
        return False
    return isinstance(value, WeightAdapterBase) or value[0] != "set"


class LayerForward:
    """A layer's `forward` in the host's object patches, around the one before it."""

    def __init__(self, original: Callable[..., torch.Tensor]) -> None:
        self.original = original

    def around(self, original: Callable[..., torch.Tensor]) -> "LayerForward":
        raise NotImplementedError

    def bound_to(self, layer: torch.nn.Module) -> "LayerForward":
        original = self.original
        if isinstance(original, LayerForward):
            original = original.bound_to(layer)
        elif isinstance(original, MethodType):
            original = MethodType(original.__func__, layer)
        return self.around(original)


def rebind(patcher: comfy.model_patcher.ModelPatcher, clone: comfy.model_patcher.ModelPatcher) -> None:
    """The host clones onto another copy of the weights for several GPUs, and for hooks with dynamic memory."""
    if clone.model is patcher.model:
        return
    for name, patch in clone.object_patches.items():
        if isinstance(patch, LayerForward):
            clone.object_patches[name] = patch.bound_to(clone.get_model_object(name.removesuffix(".forward")))


class KeyValueForward(LayerForward):
    """`to_k.forward` or `to_v.forward` of an up block: contexts of CFLD's by the trained matrix, others as ever."""

    def __init__(
        self, differences: KeyValueDifferences, block: int, part: str, original: Callable[..., torch.Tensor]
    ) -> None:
        super().__init__(original)
        self.differences, self.block, self.part = differences, block, part

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        output = self.original(x, *args, **kwargs)
        call = current_call()
        if call is None:
            return output
        trained = functional.linear(x, self.differences.of(call.patcher, self.block, self.part, x))
        if x.shape[:2] != call.context.shape[:2]:  # another pack's own, or repeated with further contexts
            trained = trained * (call.rows_like(x) >= 0)[:, None, None]
        return output + trained

    def around(self, original: Callable[..., torch.Tensor]) -> "KeyValueForward":
        return KeyValueForward(self.differences, self.block, self.part, original)
