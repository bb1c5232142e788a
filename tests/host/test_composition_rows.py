"""CFLD among other nodes (see `composition`): rows and tokens as other packs copy, compute, halve and thin them."""

import copy
import logging
import threading

import comfy.lora
import comfy.samplers
import comfy.weight_adapter
import pytest
import torch
from composition import CFG, LEFT, POSE_SCALE, guide, guided, guider_of, having, masked, predict
from test_composition_patches import full_of
from tiny_host import golden, noise

pytestmark = pytest.mark.usefixtures("no_gradients")
KEY_WEIGHT = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"


def having_pre_cfg(model, function):
    model = model.clone()
    model.set_model_sampler_pre_cfg_function(function)
    return model


def test_options_that_are_copied_deeply(model, person, text, rows, figure):
    """As pre_cfg_comfy_nodes does it in every step."""

    def copies(arguments):
        copy.deepcopy(arguments["model_options"])
        return arguments["conds_out"]

    hga = having_pre_cfg(person.hga(model), copies)
    figure("options copied deeply", predict(hga, person.positive, person.negative), guided(rows), 1e-5)
    figure("options copied deeply, CFLD Guider", guide(guider_of(hga, person)), guided(rows), 1e-5)
    assert predict(hga, text, text).isfinite().all()


def test_a_conditioning_that_is_copied_deeply(model, person, rows, figure):
    """Before the sampling, and in it, when the host has prepared its controls."""
    both = copy.deepcopy([person.positive, person.negative])
    found = predict(person.hga(model), *both)
    again = {}

    def copies(arguments):
        conds = copy.deepcopy(arguments["conds"])
        again["conds"] = comfy.samplers.calc_cond_batch(
            arguments["model"], conds, arguments["input"], arguments["sigma"], arguments["model_options"]
        )
        again["own"] = arguments["conds_out"]
        return arguments["conds_out"]

    predict(having_pre_cfg(person.hga(model, CFG), copies), person.positive, person.negative)
    figure("a conditioning copied deeply", found, guided(rows), 1e-5)
    for which in range(2):
        figure("its rows in a step", again["conds"][which], again["own"][which], 1e-5)


OPTIONS = {
    "the step's options": lambda arguments, _: arguments["model_options"],
    "a copy of the model's options": lambda _, model: copy.copy(model.model_options),
    "no transformer options": lambda *_: {"transformer_options": {}},
    "no options": lambda *_: {},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_row_that_another_pack_computes(model, person, text, rows, figure, name):
    """Whatever it knows of the step, a row is its conditioning's."""
    hga, found = person.hga(model, CFG), {}

    def extra(arguments):
        options = OPTIONS[name](arguments, hga)
        found["row"], found["own"] = (
            comfy.samplers.calc_cond_batch(
                arguments["model"], arguments["conds"][:1], arguments["input"], arguments["sigma"], options
            )[0],
            arguments["conds_out"][0],
        )
        return arguments["conds_out"]

    predict(having_pre_cfg(hga, extra), person.positive, person.negative)
    figure(f"a row by {name}", found["row"], found["own"], 1e-5)
    predict(having_pre_cfg(hga, extra), text, text)
    figure(f"a text's row by {name}", found["row"], found["own"], 1e-5)


def test_a_row_of_the_step_in_a_thread_of_its_own(model, person, rows, figure):
    def wrapper(apply_model, arguments):
        out = []

        def run():
            with torch.no_grad():
                out.append(apply_model(arguments["input"], arguments["timestep"], **arguments["c"]))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return out[0]

    hga = person.hga(model)
    hga.set_model_unet_function_wrapper(wrapper)
    figure("a call in a thread", predict(hga, person.positive, person.negative), guided(rows), 1e-5)


class Bare(comfy.samplers.CFGGuider):
    """Functions after guidance get what AutomaticCFG's sampling function gives them: no scale."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        positive, negative = self.conds["positive"], self.conds["negative"]
        options = model_options
        cond, uncond = comfy.samplers.calc_cond_batch(self.inner_model, [positive, negative], x, timestep, options)
        out = uncond + self.cfg * (cond - uncond)
        for function in options["sampler_post_cfg_function"]:
            out = function({
                "denoised": out, "cond": positive, "uncond": negative, "model": self.inner_model, "input": x,
                "uncond_denoised": uncond, "cond_denoised": cond, "sigma": timestep, "model_options": options,
            })  # fmt: skip
        return out


def test_functions_after_guidance_that_are_told_no_scale(model, person, rows, figure):
    guider = Bare(person.hga(model))
    guider.set_conds(person.positive, person.negative)
    guider.set_cfg(CFG)
    figure("no scale for functions after guidance", guide(guider), guided(rows), 1e-5)


def test_areas_that_overlap_a_text(model, person, text, rows, figure):
    """Each entry by its own rows: the term's unconditional one is the negative in the entry's area, and not mixed."""
    area = {"area": (32, 16, 0, 0), "strength": 1.0}
    positive = having(person.positive, **area) + text
    found = predict(person.hga(model), positive, person.negative)
    hga, left = person.hga(model, 1.0), noise()[:1, ..., :16]
    part = {
        name: predict(hga, entry, person.negative, 1.0, left)
        for name, entry in (
            ("full", person.positive), ("uc", person.negative), ("down", person.posed(person.learnt, person.learnt)[0])
        )
    }  # fmt: skip

    def mixed(inside, whole):  # the host's weights, which fade at an area's edge
        weights = torch.ones(1, 1, 32, 16)
        for step in range(4):
            weights[..., 15 - step] *= (step + 1) / 4
        out, count = whole.clone(), torch.ones_like(whole)
        out[..., :16] += weights * inside
        count[..., :16] += weights
        return out / count, weights / (1 + weights)

    uncond, share = mixed(part["uc"], rows["uc"])
    cond, _ = mixed(part["full"], rows["text"])
    expected = uncond + CFG * (cond - uncond)
    expected[..., :16] += share * (POSE_SCALE - CFG) * (part["down"] - part["uc"])
    figure("a person by area over a text, unequal scales", found, expected, 1e-5)


def halving(query, key, value, options):
    """As StyleAligned does it: the first picture of each half of the batch is what the others of it look at, too."""
    half = len(query) // 2
    firsts = [torch.cat([tokens[:1].expand(half, -1, -1), tokens[half : half + 1].expand(half, -1, -1)])
              for tokens in (key, value)]  # fmt: skip
    return query, torch.cat([key, firsts[0]], dim=1), torch.cat([value, firsts[1]], dim=1)


@pytest.mark.parametrize("sampler", ["a sampler", "CFLD Guider"])
def test_packs_that_take_the_batch_for_two_halves(model, person, figure, sampler):
    start = golden.input_tensor("noise.halves", (2, 4, 32, 32))

    def halved(hga):
        hga = hga.clone()
        hga.set_model_attn1_patch(halving)
        return hga

    def alone(entry):  # both halves the same row
        return predict(halved(person.hga(model, 0.0)), entry, entry, 0.0, start)

    pose = person.posed(person.learnt, person.learnt)[0]
    each = {"uc": alone(person.negative), "down": alone(pose), "full": alone(person.positive)}
    hga = halved(person.hga(model))
    if sampler == "a sampler":
        found = predict(hga, person.positive, person.negative, CFG, start)
    else:
        found = guide(guider_of(hga, person), start)
    assert (found - predict(person.hga(model), person.positive, person.negative, CFG, start)).abs().max() > 0.05
    figure(f"a batch taken for halves, {sampler}", found, guided(each), 1e-5)


def thinned(model):
    """As NegPip does it: every other token is a key, the others are values."""
    model = model.clone()
    model.set_model_attn2_patch(lambda query, key, value, options: (query, key[:, 0::2], value[:, 1::2]))
    return model


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_patch_that_thins_tokens(model, person, text, rows, figure, place):
    """A person keeps all tokens; a text is what the pack makes of it."""
    hga = person.hga(thinned(model)) if place == "before" else thinned(person.hga(model))
    figure(f"thinned tokens, {place} HGA", predict(hga, person.positive, person.negative), guided(rows), 1e-5)
    mixed = masked(person.positive, LEFT) + masked(text, 1 - LEFT)
    beside = full_of(hga, person, mixed)[..., 16:]
    figure(f"thinned tokens, {place} HGA, a text", beside, predict(thinned(model), text, text, 1.0)[..., 16:], 1e-5)


def test_a_patch_that_gives_other_tokens_is_said(model, person, caplog):
    other = golden.input_tensor("other tokens", (1, 9, 64))
    hga = person.hga(model)
    hga.set_model_attn2_patch(lambda query, key, value, options: (query, *[other.expand(len(query), -1, -1)] * 2))
    with caplog.at_level(logging.WARNING, "cfld"):
        predict(hga, person.positive, person.negative)
    (said,) = [record.message for record in caplog.records if record.name == "cfld"]
    assert "another pack gives 9 tokens in place of the" in said and "NegPip" in said


def test_a_pooled_output_is_there_for_those_that_ask(person):
    for conditioning in (person.prompt, person.learnt, person.positive, person.negative):
        ((prompt, options),) = conditioning
        assert options["pooled_output"].shape == (len(prompt), prompt.shape[2]) and not options["pooled_output"].any()


def adapters():
    """Four whose change depends on the matrix that they change and two that add the same, as the host reads them."""
    width, context, generator = 256, 64, torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=generator) * 0.3

    layer = "layer"
    lora = {f"{layer}.lora_up.weight": normal(width, 4), f"{layer}.lora_down.weight": normal(4, context)}
    yield "DoRA", comfy.weight_adapter.LoRAAdapter, lora | {f"{layer}.dora_scale": normal(width, 1).abs() + 1}
    yield "OFT", comfy.weight_adapter.OFTAdapter, {f"{layer}.oft_blocks": normal(4, width // 4, width // 4)}
    yield "BOFT", comfy.weight_adapter.BOFTAdapter, {f"{layer}.oft_blocks": normal(2, 4, width // 4, width // 4)}
    yield "GLoRA", comfy.weight_adapter.GLoRAAdapter, {
        f"{layer}.a1.weight": normal(4, context), f"{layer}.a2.weight": normal(context, 4),
        f"{layer}.b1.weight": normal(4, context),
        f"{layer}.b2.weight": normal(width, 4),
    }  # fmt: skip
    yield "LoHa", comfy.weight_adapter.LoHaAdapter, {
        f"{layer}.hada_w{factor}_{side}": normal(*((width, 4) if side == "a" else (4, context)))
        for factor in (1, 2) for side in "ab"
    }  # fmt: skip
    yield "LoKr", comfy.weight_adapter.LoKrAdapter, {
        f"{layer}.lokr_w1": normal(8, 8), f"{layer}.lokr_w2": normal(width // 8, context // 8)
    }  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "state"), list(adapters()), ids=[name for name, *_ in adapters()])
def test_an_adapter_adds_what_it_changes_at_the_models_own_matrix(model, person, figure, name, kind, state):
    dora = state.get("layer.dora_scale")
    adapter = kind.load("layer", state, 1.0, dora, set())
    assert adapter is not None
    patched = model.clone()
    assert patched.add_patches({KEY_WEIGHT: adapter}, 0.5)
    own = model.model.get_parameter(KEY_WEIGHT).clone()
    change = comfy.lora.calculate_weight(patched.patches[KEY_WEIGHT], own.clone(), KEY_WEIGHT) - own
    added = model.clone()
    assert added.add_patches({KEY_WEIGHT: ("diff", (change,))})
    first, second = (predict(person.hga(one), person.positive, person.negative) for one in (patched, added))
    assert (first - predict(person.hga(model), person.positive, person.negative)).abs().max() > 1e-3
    figure(f"{name} adds its change of the model's own matrix", first, second, 1e-5)

