"""Uses CFLD's trained cross-attention keys and values in rows that CFLD conditions; other rows keep the model's own."""

from collections.abc import Callable
from typing import Any

import comfy.lora
import comfy.model_management
import comfy.model_patcher
import comfy.utils
import torch
import torch.nn.functional as functional
from comfy.patcher_extension import CallbacksMP
from comfy.weight_adapter import WeightAdapterBase

from ...cfld_modules.checkpoints.cfld_checkpoint import key_value_name
from .conditioning import KEY
from .networks import LoadedCFLD
from .object_patches import PatchedMethod
from .unet_call import UNetCall, current_call

BLOCKS = range(3, 12)
CONTEXTS = 4  # whose products are kept: those of a step


def cross_attention(block: int) -> str:
    """The host's name of a block's cross-attention, `block` as in LDM's output_blocks."""
    return f"diffusion_model.output_blocks.{block}.1.transformer_blocks.0.attn2"


def check_base_model(model: comfy.model_patcher.ModelPatcher, cfld: LoadedCFLD) -> None:
    """That the model has the layers that the checkpoint was trained for, and not another one's; else a ValueError."""
    cfld_name = model.get_attachment(KEY)
    if cfld_name is not None and cfld_name != cfld.name:
        raise ValueError(
            f"HGA Apply: input 'model' already carries the CFLD checkpoint '{cfld_name}', and 'cfld' is '{cfld.name}'; "
            "use one checkpoint for all HGA Apply nodes of a model"
        )
    for (block, part), matrix in _trained(cfld).items():
        name = f"{cross_attention(block)}.to_{part}"
        try:
            layer = model.get_model_object(name)
        except AttributeError:
            has = f"no {name}"
        else:
            # Not the weight's shape, nor the state's names: quantised and compiled models have others.
            if (layer.out_features, layer.in_features) == matrix.shape:
                continue
            has = f"{(layer.out_features, layer.in_features)} at {name}"
        raise ValueError(
            f"HGA Apply: input 'model' is a {type(model.model).__name__} with {has}, but '{cfld.name}' needs "
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
    patcher.add_callback_with_key(CallbacksMP.ON_CLEANUP, f"{KEY}_key_values", lambda _: differences.clear())


def _trained(cfld: LoadedCFLD) -> dict[tuple[int, str], torch.Tensor]:
    return {(block, part): cfld.key_values[key_value_name(block, part)] for block in BLOCKS for part in "kv"}


class KeyValueDifferences:
    """What the trained matrices differ by from those of the model under way, as long as a sampling lasts."""

    def __init__(self, trained: dict[tuple[int, str], torch.Tensor]) -> None:
        self.trained = trained
        self.prepared: dict[Any, torch.Tensor] = {}
        self.products: list[tuple[torch.Tensor, torch.dtype, dict]] = []

    def clear(self) -> None:
        self.prepared.clear()
        self.products.clear()

    def product(self, call: UNetCall, block: int, part: str) -> torch.Tensor:
        """The call's context times the difference. It is kept, since a context is the same in every step."""
        products = call.once(self, lambda: self._products_of(call.given_context, call.context.dtype))
        key = (call.patcher.patches_uuid, block, part)
        if key not in products:
            difference = self.of(call.patcher, block, part, call.context)
            products[key] = functional.linear(call.context, difference)
        return products[key]

    def _products_of(self, context: torch.Tensor, dtype: torch.dtype) -> dict:
        """By (patches, block, part), for a context that the U-Net gets as `dtype`."""
        for known, known_dtype, products in self.products:
            is_alike = (known.shape, known.device, known_dtype) == (context.shape, context.device, dtype)
            if is_alike and torch.equal(known, context):
                return products
        self.products = [*self.products[1 - CONTEXTS :], (context, dtype, {})]
        return self.products[-1][2]

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
    """The model's own matrix in float32 on the CPU, with the patches that replace or scale it."""
    weight, _, convert = comfy.model_patcher.get_key_weight(patcher.model, name)
    if name in patcher.backup:
        weight = patcher.backup[name].weight
    if name in patcher.hook_backup:
        weight = patcher.hook_backup[name][0]
    if convert is not None:  # the host's own quantisation
        weight = convert(weight, inplace=False)
    if type(weight) in (torch.Tensor, torch.nn.Parameter):
        weight = comfy.model_management.cast_to_device(weight, torch.device("cpu"), torch.float32, copy=True)
    else:
        weight = _dequantised(comfy.utils.get_attr(patcher.model, name.removesuffix(".weight")), weight)
    replacing_patches = [patch for patch in patcher.patches.get(name, []) if not _only_adds(patch)]
    return comfy.lora.calculate_weight(replacing_patches, weight, name)


def _dequantised(layer: torch.nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """The matrix of a layer whose weight only its own code can read, GGUF's say: what the layer makes of the identity.

    GGUF hangs the patches of the weight on it, to be applied whenever it is read.
    """
    patches = getattr(weight, "patches", None)
    if patches:
        weight.patches = []
    try:
        identity = torch.eye(layer.in_features, device=weight.device)
        return type(layer).forward(layer, identity).T.to("cpu", torch.float32, copy=True).contiguous()
    finally:
        if patches:
            weight.patches = patches


def _only_adds(patch: tuple) -> bool:
    """Of one of the host's weight patches, (strength, value, strength of the model, ...)."""
    value, strength_model = patch[1], patch[2]
    if strength_model != 1.0 or isinstance(value, list):  # scaled; another model's matrix
        return False
    return isinstance(value, WeightAdapterBase) or value[0] != "set"


class KeyValueForward(PatchedMethod):
    """`to_k.forward` or `to_v.forward` of an up block: contexts of CFLD's by the trained matrix, others as ever."""

    def __init__(
        self, differences: KeyValueDifferences, block: int, part: str, original: Callable[..., torch.Tensor]
    ) -> None:
        super().__init__(original)
        self.differences, self.block, self.part = differences, block, part

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        output = self.original(x, *args, **kwargs)
        call = current_call()
        if call is None or call.people is None:
            return output
        if x is call.context:
            return output + self.differences.product(call, self.block, self.part)
        trained = functional.linear(x, self.differences.of(call.patcher, self.block, self.part, x))
        if x.shape[:2] != call.context.shape[:2]:  # another pack's own, or repeated with further contexts
            are_own = [row >= 0 for row in call.rows_like(x)]
            trained = trained * torch.tensor(are_own, device=x.device)[:, None, None]
        return output + trained
