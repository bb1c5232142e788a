"""CFLD among other nodes (see `composition`), the real ones: packs in the folder that COMFYUI_PACKS names.

A pack lies there under its repository's name. What is expected is what the other files expect of their stand-ins.
"""

import importlib
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import comfy.cldm.cldm
import comfy.gligen
import comfy.ops
import comfy.samplers
import pytest
import tiny_host
import torch
from comfy.patcher_extension import WrappersMP
from comfy_extras import nodes_sag
from composition import CFG, POSE_SCALE, guide, guided, guider_of, having, masked, predict, rows_alone
from test_composition_patches import full_of, pose_of
from test_composition_tiles import TILES, alone, cut_out
from tiny_host import golden, nodes, noise

PACKS = os.environ.get("COMFYUI_PACKS")
pytestmark = [
    pytest.mark.usefixtures("no_gradients"),
    pytest.mark.skipif(
        PACKS is None, reason="no other packs were looked for; set COMFYUI_PACKS to the folder of their repositories"
    ),
]


def pack(repository, name, **constants):
    """A module of a pack; the pack's own `__init__`, which may want a server or the network, is not run.

    Args:
        constants: what the module takes from the `__init__`.
    """
    folder = Path(PACKS) / repository
    if not folder.is_dir():
        pytest.skip(f"there is no {repository} in {PACKS}, which COMFYUI_PACKS names; clone it there")
    if repository not in sys.modules:
        package = sys.modules[repository] = ModuleType(repository)
        package.__path__ = [str(folder)]
        vars(package).update(constants)
    return importlib.import_module(f"{repository}.{name}")


def nag(model, negative):
    """As the pack's guider has it while it samples."""
    unet = pack("ComfyUI-NAG", "sd.openaimodel")
    switch = unet.NAGUNetModelSwitch(model.model.diffusion_model, negative, 5.0, 2.5, 0.25, 0.0)

    def switched(executor, *args, **kwargs):
        switch.set_nag()
        try:
            return executor(*args, **kwargs)
        finally:
            switch.set_origin()

    model = model.clone()
    model.add_wrapper(WrappersMP.OUTER_SAMPLE, switched)
    return model


def perturbed(module, node, *arguments):
    return getattr(pack("sd-perturbed-attention", module), node)().patch(*arguments)[0]


GUIDANCE = {
    "sd-perturbed-attention's PAG": lambda model, _: perturbed("pag_nodes", "PerturbedAttention", model, 3.0),
    "sd-perturbed-attention's SEG": lambda model, _: perturbed(
        "pag_nodes", "SmoothedEnergyGuidanceAdvanced", model, 3.0, -1.0, "input", 1
    ),
    "sd-perturbed-attention's NAG": lambda model, negative: perturbed(
        "nag_nodes", "NormalizedAttentionGuidance", model, negative
    ),
    "ComfyUI-NAG": nag,
}


@pytest.mark.parametrize("name", GUIDANCE)
def test_other_guidance_at_unequal_scales(model, person, text, rows, figure, name):
    """It changes what it changes at equal scales, where the pose's term is nothing."""
    equal, unequal = (
        predict(GUIDANCE[name](person.hga(model, scale), text), person.positive, person.negative)
        for scale in (CFG, POSE_SCALE)
    )
    assert (unequal - guided(rows)).abs().max() > 0.01
    figure(f"{name} at unequal scales", unequal - equal, guided(rows) - guided(rows | {"down": rows["uc"]}), 1e-5)


@pytest.mark.parametrize("name", GUIDANCE)
def test_other_guidance_under_the_guider(model, person, text, figure, name):
    other = GUIDANCE[name](person.hga(model), text)
    sampled = predict(other, person.positive, person.negative)
    figure(f"{name} under CFLD Guider", guide(guider_of(other, person)), sampled, 1e-5)


def ppm_couple(model, person, text, masks):
    couple = pack("ComfyUI-ppm", "src.attention_couple.unet_couple")
    model = model.clone()
    model.set_model_attn2_patch(
        couple.unet_attn2_couple_wrapper(person, [text], 2, False, torch.device("cpu"), torch.float32)
    )
    model.set_model_attn2_output_patch(couple.unet_attn2_output_couple_wrapper(torch.stack(masks)))
    return model


def cgem156_couple(model, person, text, masks):
    names = {"SYMBOL": "", "NODE_SURFIX": "", "ROOT_NAME": ""}
    couple = pack("cgem156-ComfyUI", "scripts.attention_couple.node", **names).AttentionCouple()
    return couple.attention_couple_simple(model, masks[0], cond_1=text, mask_1=masks[1])[0]


def shares(of_text):
    return [torch.full((1, 32, 32), share) for share in (1 - of_text, of_text)]


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(("repository", "couple"), [("ComfyUI-ppm", ppm_couple), ("cgem156-ComfyUI", cgem156_couple)])
def test_couples_of_packs_share_out_person_and_text(model, person, text, rows, figure, repository, couple, place):
    """All of the person's share: as without it. All of the text's: every attention to context is the plain model's."""

    def coupled(share):
        on = partial(couple, person=person.positive, text=text, masks=shares(share))
        return person.hga(on(model)) if place == "before" else on(person.hga(model))

    persons = predict(coupled(0.0), person.positive, person.negative)
    figure(f"{repository}, {place} HGA, the person's share", persons, guided(rows), 1e-5)
    expected = full_of(person.hga(model), person, having(text, **pose_of(person)))
    figure(f"{repository}, {place} HGA, the text's share", full_of(coupled(1.0), person), expected, 1e-5)


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_attention_couple_after_the_queries(model, person, text, rows, figure, place):
    """It wants contexts of one length, and gives the text the person's queries."""
    node = pack("attention-couple-ComfyUI", "attention_couple").AttentionCouple()
    text = [[text[0][0][:, : person.prompt[0][0].shape[1]], {}]]

    def sampled(share, **changes):
        persons, texts = shares(share)
        positive = masked(person.positive, persons) + masked(text, texts)
        start = person.hga(model, **changes) if place == "after" else model
        patched, positive, negative = node.attention_couple(start, positive, person.negative, "Attention")
        patched = person.hga(patched, **changes) if place == "before" else patched
        return predict(patched, positive, negative, CFG if share == 0 else 1.0)

    repository = "attention-couple-ComfyUI"
    figure(f"{repository}, {place} HGA, the person's share", sampled(0.0), guided(rows), 1e-5)
    plain = predict(person.hga(model, 1.0), having(text, **pose_of(person)), person.negative, 1.0)
    texts = sampled(1.0, pose_guidance=1.0, strength=1e-12)
    figure(f"{repository}, {place} HGA, the text's share without an appearance", texts, plain, 1e-5)


@pytest.mark.parametrize("place", ["before", "after"])
def test_deepcache_before_or_after_hga_leaves_the_person(model, person, rows, figure, place):
    def cached(patched):
        return pack("ComfyUI-deepcache", "DeepCache").DeepCache().apply(patched, 1, 3, 0, 1000)[0]

    patched = person.hga(cached(model)) if place == "before" else cached(person.hga(model))
    result = predict(patched, person.positive, person.negative)
    figure(f"ComfyUI-deepcache, {place} HGA", result, guided(rows), 1e-5)


def with_ipadapter(model, cond, uncond):
    """An adapter of made-up layers and embeddings in the up blocks."""
    attention = pack("ComfyUI_IPAdapter_plus", "CrossAttentionPatch")
    layers = {}
    adapter = SimpleNamespace(ip_layers=SimpleNamespace(to_kvs=layers), get_multigpu_clone=lambda device: adapter)
    model = model.clone()
    for block in range(3, 12):
        attn2 = model.get_model_object(f"diffusion_model.output_blocks.{block}.1.transformer_blocks.0.attn2")
        for part in "kv":
            matrix = golden.value(f"ipadapter.{block}.{part}.weight", attn2.to_k.weight.shape)
            layers[f"{block}_to_{part}_ip"] = partial(torch.nn.functional.linear, weight=torch.from_numpy(matrix))
        replace = attention.Attn2Replace(
            attention.ipadapter_attention,
            module_key=str(block),
            ipadapter=adapter,
            cond=cond,
            uncond=uncond,
            sigma_start=1e9,
            sigma_end=0.0,
        )
        model.set_model_attn2_replace(replace, "output", block)
    return model


@pytest.mark.parametrize("place", ["before", "after"])
def test_ipadapter_acts_on_the_persons_row_alone(model, person, text, rows, figure, place):
    """The person's row has the picture's embeddings; both others have the unconditional ones."""
    cond, uncond = (golden.input_tensor(f"ipadapter.{name}", (1, 4, 64)) for name in ("cond", "uncond"))
    on = partial(with_ipadapter, cond=cond, uncond=uncond)
    patched = person.hga(on(model)) if place == "before" else on(person.hga(model))
    with_cond, with_uncond = (rows_alone(with_ipadapter(model, one, one), person, text) for one in (cond, uncond))
    expected = guided(with_uncond | {"full": with_cond["full"]})
    assert (expected - guided(rows)).abs().max() > 0.01
    result = predict(patched, person.positive, person.negative)
    figure(f"ComfyUI_IPAdapter_plus, {place} HGA, unequal scales", result, expected, 1e-5)


@pytest.fixture
def control():
    """A small ControlNet of Advanced-ControlNet's that acts on the rows of kind 0 alone."""
    controls, keyframes = (pack("ComfyUI-Advanced-ControlNet", f"adv_control.{name}") for name in ("control", "utils"))
    layout = {key: value for key, value in tiny_host.UNET_CONFIG.items() if key != "out_channels"}
    layout.pop("transformer_depth_output")
    network = comfy.cldm.cldm.ControlNet(
        **layout, hint_channels=3, device="cpu", operations=comfy.ops.disable_weight_init
    )
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(golden.value(f"control.{name}", parameter.shape)))
    weights = keyframes.ControlWeights.universal(1.0, uncond_multiplier=0.0)
    group = keyframes.TimestepKeyframeGroup.default(keyframes.TimestepKeyframe(control_weights=weights))
    made = controls.ControlNetAdvanced(network, group, load_device=torch.device("cpu"))
    return made.set_cond_hint(golden.input_tensor("hint", (1, 3, 256, 256)), 0.1, (0.0, 1.0))


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_controlnet_that_knows_two_kinds_of_rows(model, person, rows, figure, control, place):
    if place == "before":
        positive, negative = person.posed(*(having(entry, control=control) for entry in (person.prompt, person.learnt)))
    else:
        control.set_previous_controlnet(person.positive[0][1]["control"])
        positive, negative = (having(entry, control=control) for entry in (person.positive, person.negative))
    expected = guided(rows | {"full": predict(person.hga(model, 1.0), positive, person.negative, 1.0)})
    assert (expected - guided(rows)).abs().max() > 0.01
    result = predict(person.hga(model), positive, negative)
    figure(f"ComfyUI-Advanced-ControlNet, {place} Pose Conditioning", result, expected, 1e-5)


@pytest.mark.parametrize("place", ["before", "after"])
def test_context_windows_of_frames_match_each_window_alone(model, person, figure, place):
    """AnimateDiff without a motion model: two windows of two of the four frames."""
    sampling = pack("ComfyUI-AnimateDiff-Evolved", "animatediff.sampling")
    context = pack("ComfyUI-AnimateDiff-Evolved", "animatediff.context")
    state = sampling.AnimateDiffGlobalState()
    state.params = sampling.InjectionParams()
    state.params.full_length = 4
    state.params.context_options = context.ContextOptionsGroup()
    state.params.context_options.add(context.ContextOptions(2, 1, 0, context.ContextSchedules.STATIC_STANDARD))

    def windowed(patched):
        patched = patched.clone()
        patched.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, "ADE", sampling.sliding_calc_cond_batch)
        patched.model_options["transformer_options"] |= {"ADGS": state, "ad_params": state.create_exposed_params()}
        return patched

    frames = person.posed(person.prompt, person.learnt, pose=golden.pose_keypoints("side", "front", "half", "side"))
    start = golden.input_tensor("frames", (4, 4, 32, 32))
    patched = person.hga(windowed(model)) if place == "before" else windowed(person.hga(model))
    result = predict(patched, *frames, CFG, start)
    expected = alone(person, person.hga(model), start)
    figure(f"ComfyUI-AnimateDiff-Evolved's windows, {place} HGA", result, expected, 1e-4)


def of_part(model, person, top, left, start):
    appearance, conditioning = cut_out(person, top, left)
    hga = nodes.CFLDApplyHGA.execute(model, person.cfld, appearance, 1.0, POSE_SCALE, 0.0, 1.0).result[0]
    return predict(hga, *conditioning, CFG, start)


@pytest.mark.parametrize(("top", "left"), TILES)
def test_a_tile_that_an_upscaler_cuts_out(model, person, figure, top, left):
    crop = pack("ComfyUI_UltimateSDUpscale", "usdu_utils").crop_cond
    region = tuple(8 * edge for edge in (left, top, left + 32, top + 32))
    positive, negative = (
        crop(entry, region, (512, 512), (512, 512), (256, 256)) for entry in (person.positive, person.negative)
    )
    tile = noise()[:1]
    result = predict(person.hga(model), positive, negative, CFG, tile)
    expected = of_part(model, person, top, left, tile)
    figure(f"ComfyUI_UltimateSDUpscale's tile at {top}, {left}", result, expected, 1e-4)


@pytest.fixture(scope="module")
def tiled_diffusion():
    """It replaces functions of the host when it is imported; they are put back."""
    with pytest.MonkeyPatch.context() as kept:
        for owner, name in (
            (comfy.samplers, "get_area_and_mult"),
            (comfy.samplers, "pre_run_control"),
            (comfy.samplers.KSampler, "sample"),
            (comfy.samplers.KSAMPLER, "sample"),
            (comfy.gligen.Gligen, "_set_position"),
            (nodes_sag, "create_blur_map"),
        ):
            kept.setattr(owner, name, getattr(owner, name))
        yield pack("ComfyUI-TiledDiffusion", "tiled_diffusion").TiledDiffusion()


@pytest.mark.parametrize("method", ["MultiDiffusion", "Mixture of Diffusers"])
def test_tiles_of_a_tiled_sampler(model, person, figure, tiled_diffusion, method):
    start = golden.input_tensor("tiled", (1, 4, 64, 64))
    (tiled,) = tiled_diffusion.apply(person.hga(model), method, 256, 256, 0, 4)
    result = predict(tiled, *person.posed(person.prompt, person.learnt), CFG, start)
    for y, x in [(0, 0), (0, 32), (32, 0), (32, 32)]:
        corner = (..., slice(y, y + 32), slice(x, x + 32))
        expected = of_part(model, person, y, x, start[corner])
        figure(f"ComfyUI-TiledDiffusion's {method} at {y}, {x}", result[corner], expected, 1e-4)
