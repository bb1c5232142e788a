"""CFLD Scene Guider with what is injected into one of its two models: a copy would not have it, and nothing stays."""

import comfy.model_management
import comfy.samplers
import pytest
import tiny_host
import torch
from comfy.patcher_extension import PatcherInjection, WrappersMP
from composition import predict
from scene_reference import noise_of, row, sample, scene_guider, scene_text
from test_composition_loaded import bypassing
from test_scene_guider_in_graphs import SIGMAS, assert_fuses

pytestmark = pytest.mark.usefixtures("no_gradients")
START = noise_of(1, 16, 16)


@pytest.fixture
def model():
    """One checkpoint that is nobody else's."""
    return tiny_host.stock_model()


@pytest.fixture(scope="module")
def texts(no_gradients):
    return scene_text("scene"), scene_text("not in it")


def predicted_afterwards(model, person, texts):
    """What the checkpoint gives by itself, with HGA Apply and without."""
    return predict(person.hga(model), person.positive, person.negative), row(model, texts[0], START, SIGMAS[1])


@pytest.mark.parametrize("side", ["person", "scene"])
def test_a_bypassed_lora_of_one_side(model, person, texts, side):
    """It is that side's, and neither the other one's nor the next prompt's."""
    fresh = tiny_host.stock_model()
    before = predicted_afterwards(fresh, person, texts)
    with_one = bypassing(model)
    own, scene_model = (with_one, model) if side == "person" else (model, with_one)
    other = tiny_host.stock_model()
    expected_own, expected_scene = (bypassing(other), fresh) if side == "person" else (fresh, bypassing(other))
    guider = scene_guider(person.hga(own), person, texts, scene_model=scene_model)
    assert_fuses(guider, person.hga(expected_own, 1.0), person, expected_scene, texts)
    for _ in range(2):
        for found, expected in zip(predicted_afterwards(model, person, texts), before, strict=True):
            assert torch.equal(found, expected)
        comfy.model_management.unload_all_models()


def test_the_same_bypassed_lora_on_both_sides_costs_no_second_copy(model, person, texts, monkeypatch):
    with_one = bypassing(model)
    monkeypatch.setattr("copy.deepcopy", lambda *_: pytest.fail("the weights were copied"))
    alone = sample(scene_guider(person.hga(with_one), person, texts), START)
    assert torch.equal(sample(scene_guider(person.hga(with_one), person, texts, scene_model=with_one), START), alone)


def test_an_injection_of_each_side_of_one_checkpoint_is_refused_by_name(model, person, texts):
    other = model.clone()
    other.set_injections("motion", [PatcherInjection(lambda patcher: None, lambda patcher: None)])
    guider = scene_guider(person.hga(bypassing(model)), person, texts, scene_model=other)
    with pytest.raises(ValueError, match=r"are one checkpoint, and each injects .*\(bypass_lora; motion\)"):
        sample(guider, START)


def evolved(model):
    """As AnimateDiff does it: another sampling function for all, which wants what its own sampling has noted."""
    own, model = comfy.samplers.sampling_function, model.clone()

    def replaced(executor, *args, **kwargs):
        guider = executor.class_obj
        options = guider.model_options["transformer_options"]

        def sampling(model, *rest, model_options, **others):
            assert model_options["transformer_options"]["ADGS"]
            return own(model, *rest, model_options=model_options, **others)

        guider.model_options = guider.model_options | {"transformer_options": options | {"ADGS": True}}
        comfy.samplers.sampling_function = sampling
        try:
            return executor(*args, **kwargs)
        finally:
            comfy.samplers.sampling_function = own

    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "ADE", replaced)
    return model


@pytest.mark.parametrize("side", ["person", "scene"])
def test_a_pack_that_samples_in_place_of_the_host_on_one_side_is_refused_by_name(model, person, texts, side):
    own, scene_model = (evolved(model), model) if side == "person" else (model, evolved(model))
    guider = scene_guider(person.hga(own), person, texts, scene_model=scene_model)
    name = "model" if side == "person" else "scene_model"
    before = comfy.samplers.sampling_function
    with pytest.raises(ValueError, match=f"Scene Guider: input '{name}' alone carries ADE, which samples in place"):
        sample(guider, START)
    assert comfy.samplers.sampling_function is before and guider.sides is None
    both = scene_guider(person.hga(evolved(model)), person, texts, scene_model=evolved(model))
    assert torch.equal(sample(both, START), sample(scene_guider(person.hga(model), person, texts), START))
