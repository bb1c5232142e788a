"""Graphs of core's nodes one after the other on one checkpoint, bit for bit what each gives on one of its own.

What spoils a server shows only so. `graphs_in_turn.py` does the same with other packs in real servers.
"""

import random

import comfy.model_management
import pytest
import tiny_host
import torch
from comfy_extras import nodes_pag
from composition import guide, guider_of, predict
from scene_reference import sample, scene_guider, scene_text
from test_composition_loaded import bypassing, compiled
from test_composition_parts import windows
from tiny_host import golden

pytestmark = pytest.mark.usefixtures("no_gradients")
SEED = 1


def start():
    return golden.input_tensor("parts", (1, 4, 16, 24))


def pictured(hga, person):
    return predict(hga, person.positive, person.negative, start=start())


def with_lora(model):
    name = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"
    patched = model.clone()
    assert patched.add_patches({name: ("diff", (torch.from_numpy(golden.value("lora.weight", (256, 64))),))}, 0.5)
    return patched


def described_scene(model, person, text, scene_model):
    guider = scene_guider(person.hga(model), person, (text, scene_text("not in it")), scene_model=scene_model)
    return sample(guider, start())


def pag(model):
    return nodes_pag.PerturbedAttentionGuidance.execute(model, 3.0).result[0]


GRAPHS = {
    "text": lambda model, person, text: predict(model, text, text, start=start()),
    "person": lambda model, person, text: pictured(person.hga(model), person),
    "CFLD Guider": lambda model, person, text: guide(guider_of(person.hga(model), person), start()),
    "LoRA": lambda model, person, text: pictured(with_lora(person.hga(model)), person),
    "bypassed LoRA": lambda model, person, text: pictured(bypassing(person.hga(model)), person),
    "bypassed LoRA, text": lambda model, person, text: predict(bypassing(model), text, text, start=start()),
    "scene": lambda model, person, text: described_scene(model, person, text, None),
    "scene, LoRA bypassed there": lambda model, person, text: described_scene(model, person, text, bypassing(model)),
    "scene, LoRA there": lambda model, person, text: described_scene(model, person, text, with_lora(model)),
    "scene, LoRA bypassed here": lambda model, person, text: described_scene(bypassing(model), person, text, model),
    "PAG": lambda model, person, text: pictured(pag(person.hga(model)), person),
    "windows": lambda model, person, text: pictured(windows(person.hga(model)), person),
    "compiled": lambda model, person, text: pictured(person.hga(compiled(model)), person),
    "interrupted": lambda model, person, text: interrupted(person.hga(model), person),
}


def interrupted(hga, person):
    def cancel(*_):
        raise comfy.model_management.InterruptProcessingException

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        tiny_host.ksample(
            hga, person.positive, person.negative, steps=2, callback=cancel, start=start()
        )
    return torch.zeros(1)


@pytest.fixture(scope="module")
def alone(person, text):
    with torch._dynamo.config.patch(suppress_errors=True):
        latents = {}
        for name, graph in GRAPHS.items():
            latents[name] = graph(tiny_host.stock_model(), person, text)
            comfy.model_management.unload_all_models()
    return latents


def test_graphs_in_an_order_drawn_by_seed_are_bit_equal_to_each_alone(person, text, alone):
    chosen, model = random.Random(SEED), tiny_host.stock_model()
    order = chosen.sample(list(GRAPHS), len(GRAPHS))
    with torch._dynamo.config.patch(suppress_errors=True):
        for number, name in enumerate(order):
            if chosen.random() < 0.3:
                comfy.model_management.unload_all_models()
            assert torch.equal(GRAPHS[name](model, person, text), alone[name]), order[: number + 1]
    torch._dynamo.reset()
