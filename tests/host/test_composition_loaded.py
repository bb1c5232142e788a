"""CFLD among other nodes (see `composition`): models that are quantised, compiled or injected, whatever is loaded."""

import comfy.model_management
import comfy.ops
import comfy.quant_ops
import comfy.sd
import pytest
import tiny_host
import torch
from composition import guided, predict, rows_alone

pytestmark = pytest.mark.usefixtures("no_gradients")
BYPASSED = "output_blocks.5.1.transformer_blocks.0.attn2.to_"


def compiled(model):
    """As ComfyUI_essentials and several other packs do it."""
    model = model.clone()
    unet = torch.compile(model.get_model_object("diffusion_model"), backend="eager")
    model.add_object_patch("diffusion_model", unet)
    return model


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_compiled_model_in_its_second_prompt(person, figure, place):
    """A widget has changed since the first, whose model is still loaded."""
    model = tiny_host.stock_model()
    expected = predict(person.hga(tiny_host.stock_model(), strength=0.9), person.positive, person.negative)
    first = compiled(model)

    def graph(strength):
        if place == "before":
            return person.hga(first, strength=strength)
        return compiled(person.hga(model, strength=strength))

    with torch._dynamo.config.patch(suppress_errors=True):
        predict(graph(1.0), person.positive, person.negative)
        found = predict(graph(0.9), person.positive, person.negative)
    figure(f"torch.compile {place} HGA, the second prompt", found, expected, 1e-5)
    torch._dynamo.reset()


@pytest.mark.skipif(not hasattr(comfy.quant_ops, "TensorCoreFP8E4M3Layout"), reason="a host without comfy-kitchen")
def test_a_model_of_the_hosts_own_quantisation(person, text, figure):
    """Keys and values in fp8 with a scale, as QuantizedTensor; against the same numbers as they are."""
    quantised, plain = tiny_host.stock_model(), tiny_host.stock_model()
    for block in range(3, 12):
        for part in "kv":
            name = f"output_blocks.{block}.1.transformer_blocks.0.attn2.to_{part}"
            layer, same = (one.model.diffusion_model.get_submodule(name) for one in (quantised, plain))
            weight = comfy.quant_ops.QuantizedTensor.from_float(layer.weight.data, "TensorCoreFP8E4M3Layout")
            same.weight.data.copy_(weight.dequantize())
            layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    found, expected = (predict(person.hga(one), person.positive, person.negative) for one in (quantised, plain))
    figure("the host's fp8, a person", found, expected, 1e-4)
    plain_text = predict(quantised, text, text, 1.0)
    figure("the host's fp8, text on the HGA model", predict(person.hga(quantised), text, text, 1.0), plain_text, 0)


class OnlyItsOwnCode(torch.Tensor):
    """A weight that is another layout's bytes: what all know of it is wrong, as with GGUF's tensors."""

    patches: list = []

    @property
    def shape(self):
        return torch.Size((1, 1))


class Unpacking(comfy.ops.disable_weight_init.Linear):
    """A layer that reads it, and applies the patches that hang on it."""

    def forward(self, x):
        weight = self.packed.to(x.dtype) / 64
        for change in self.weight.patches:
            weight = weight + change
        return torch.nn.functional.linear(x, weight)


def test_a_model_of_a_packs_own_quantisation(person, figure):
    """Its layers read it by their own code, LoRAs and all; against the same numbers in the stock model."""
    packed, plain = tiny_host.stock_model(), tiny_host.stock_model()
    change = torch.randn(256, 64, generator=torch.Generator().manual_seed(1)) * 0.05
    lora = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"
    for block in range(3, 12):
        for part in "kv":
            attention = f"output_blocks.{block}.1.transformer_blocks.0.attn2"
            same = plain.model.diffusion_model.get_submodule(attention).get_submodule(f"to_{part}")
            layer = Unpacking(same.in_features, same.out_features, bias=False)
            layer.packed = (same.weight.data * 64).round().clamp(-127, 127).to(torch.int8)
            same.weight.data.copy_(layer.packed / 64)
            layer.weight = torch.nn.Parameter(torch.zeros(1).as_subclass(OnlyItsOwnCode), requires_grad=False)
            setattr(packed.model.diffusion_model.get_submodule(attention), f"to_{part}", layer)
    with_lora = plain.clone()
    assert with_lora.add_patches({lora: ("diff", (change,))})
    packed.model.diffusion_model.get_submodule(lora.split(".", 1)[1].removesuffix(".weight")).weight.patches = [change]
    found, expected = (predict(person.hga(one), person.positive, person.negative) for one in (packed, with_lora))
    figure("a pack's own quantisation with a LoRA", found, expected, 1e-5)


def low_rank(model):
    """{part: (up, down)} for a layer's queries and keys."""
    generator, factors = torch.Generator().manual_seed(4), {}
    for part in "qk":
        height, width = model.model.diffusion_model.get_submodule(BYPASSED + part).weight.shape
        up, down = torch.randn(height, 4, generator=generator), torch.randn(4, width, generator=generator)
        factors[part] = up / 2, down / width**0.5
    return factors


def bypassing(model):
    """Core's LoraLoaderBypass."""
    state = {}
    for part, factors in low_rank(model).items():
        layer = f"lora_unet_up_blocks_1_attentions_2_transformer_blocks_0_attn2_to_{part}"
        state |= dict(zip((f"{layer}.lora_up.weight", f"{layer}.lora_down.weight"), factors, strict=True))
    return comfy.sd.load_bypass_lora_for_models(model, None, state, 1.0, 0)[0]


def test_hga_apply_while_a_bypassed_lora_of_the_same_checkpoint_is_loaded(person, text, figure):
    """It patches the layers that are meant, not those that the loaded clone has put in their place."""
    model = tiny_host.stock_model()
    fresh = tiny_host.stock_model()
    expected = guided(rows_alone(fresh, person, text))
    predict(bypassing(model), text, text)
    hga = person.hga(model)
    figure("HGA beside a loaded bypass LoRA", predict(hga, person.positive, person.negative), expected, 1e-5)
    comfy.model_management.unload_all_models()
    figure("and after unloading", predict(hga, person.positive, person.negative), expected, 1e-5)


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_bypassed_lora_is_the_lora(person, figure, place):
    model = tiny_host.stock_model()
    hga = person.hga(bypassing(model)) if place == "before" else bypassing(person.hga(model))
    found = predict(hga, person.positive, person.negative)
    comfy.model_management.unload_all_models()
    patches = {
        f"diffusion_model.{BYPASSED}{part}.weight": ("diff", (up @ down,))
        for part, (up, down) in low_rank(model).items()
    }
    plain = tiny_host.stock_model()
    assert plain.add_patches(patches)
    figure(f"LoraLoaderBypass {place} HGA", found, predict(person.hga(plain), person.positive, person.negative), 1e-5)
