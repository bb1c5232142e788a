"""CFLD among other nodes (see `composition`), the real ones: models, tiles and tokens; see `test_composition_packs`."""

import sys
from types import SimpleNamespace

import comfy.model_base
import comfy.sample
import comfy.samplers
import comfy.supported_models
import pytest
import tiny_host
import torch
from composition import CFG, guide, guided, guider_of, predict
from scene_reference import noise_of, sample, scene_guider, scene_text
from test_composition_packs import pack, pytestmark  # noqa: F401  the folder, or a reason why not
from test_composition_parts import cut_hint
from tiny_host import golden

LORA = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"


def gguf_models(kind):
    """The stock model with its attention quantised, in that pack's layers, and the same numbers in the host's."""
    gguf = pytest.importorskip("gguf")
    ops, nodes = (pack("ComfyUI-GGUF", name) for name in ("ops", "nodes"))
    quantisation = gguf.GGMLQuantizationType[kind]
    plain = tiny_host.stock_model()
    config = comfy.supported_models.SD15(dict(tiny_host.UNET_CONFIG))
    config.unet_config = {key: value for key, value in tiny_host.UNET_CONFIG.items() if key != "dtype"}
    config.set_inference_dtype(torch.float32, None)
    config.custom_operations = ops.GGMLOps()
    state = {}
    for name, weight in plain.model.diffusion_model.state_dict().items():
        if weight.dim() == 2 and "transformer_blocks" in name:
            packed = torch.from_numpy(gguf.quants.quantize(weight.numpy(), quantisation))
            shape = torch.Size(weight.shape)
            state[name] = ops.GGMLTensor(packed, tensor_type=quantisation, tensor_shape=shape)
            weight.copy_(ops.dequantize_tensor(state[name], torch.float32, None))  # in float16, as its layers do
        else:
            state[name] = weight.clone()
    base = comfy.model_base.BaseModel(config)
    base.diffusion_model.load_state_dict(state)
    model = nodes.GGUFModelPatcher(base, plain.load_device, plain.offload_device)
    return model, plain


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_a_gguf_model_predicts_as_its_plain_one(person, text, figure, kind):
    quantised, plain = gguf_models(kind)
    both = person.positive, person.negative
    figure(f"ComfyUI-GGUF {kind}, a person", *(predict(person.hga(one), *both) for one in (quantised, plain)), 1e-4)
    without = predict(quantised, text, text)
    figure(f"ComfyUI-GGUF {kind}, text on the HGA model", predict(person.hga(quantised), text, text), without, 0)
    change = torch.from_numpy(golden.value("lora.weight", (256, 64)))
    loaded = []
    for one in (quantised, plain):
        patched = one.clone()
        assert patched.add_patches({LORA: ("diff", (change,))}, 0.5)
        loaded.append(predict(person.hga(patched), *both))
    figure(f"ComfyUI-GGUF {kind}, a person with a LoRA", *loaded, 1e-4)


def test_a_tiled_sampler_with_samplings_of_its_own(model, person, figure):
    """BlenderNeko's: two tiles, each its part. It begins at sigma times the noise, and the host at a little more."""
    module = pack("ComfyUI_TiledKSampler", "nodes")
    latents = torch.zeros(1, 4, 16, 24)
    found = module.sample_common(
        person.hga(model), "enable", 5, 128, 128, "simple", 1, CFG, "euler", "normal", person.positive, person.negative,
        {"samples": latents}, 0, 1000, "disable",
    )[0]["samples"]  # fmt: skip
    sampling = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", 1)
    start = sigmas[0] * comfy.sample.prepare_noise(latents, 5) / tiny_host.LATENT_SCALE
    parts = []
    for left, right in ((0, 16), (16, 24)):
        size, tile = (8 * (right - left), 128), start[..., left:right]
        both = [cut_hint(entry, (left, right), size) for entry in (person.positive, person.negative)]
        parts.append(comfy.sample.sample(
            person.hga(model), torch.zeros_like(tile), 1, CFG, "euler", "normal", *both, tile, disable_pbar=True, seed=5
        ))  # fmt: skip
    expected = torch.cat(parts, -1)
    scale = 0.3 / expected.std()  # to the spread that the other rows have
    figure("ComfyUI_TiledKSampler, two tiles", found * scale, expected * scale, 1e-4)


def test_a_batch_that_is_aligned_to_its_first_picture(model, person, figure):
    style = pack("style_aligned_comfy", "__init__")
    start = golden.input_tensor("noise.halves", (2, 4, 32, 32))

    def aligned(hga):
        hga = hga.clone()
        hga.set_model_attn1_patch(style.SharedAttentionProcessor(style.StyleAlignedArgs("q+k"), 1.0))
        return hga

    def alone(entry):
        return predict(aligned(person.hga(model, 0.0)), entry, entry, 0.0, start)

    pose = person.posed(person.learnt, person.learnt)[0]
    each = {"uc": alone(person.negative), "down": alone(pose), "full": alone(person.positive)}
    found = predict(aligned(person.hga(model)), person.positive, person.negative, CFG, start)
    figure("style_aligned_comfy, two pictures", found, guided(each), 1e-5)


def negpip_of(repository, model):
    """The model's side of it, which is all that a person meets."""
    if repository == "cd-tuner_negpip-ComfyUI":
        clip = SimpleNamespace(cond_stage_model=object())
        return pack(repository, "negpip").Negpip().apply(model, clip)[0]
    patched = model.clone()
    patched.set_model_attn2_patch(pack(repository, "src.negpip.unet_negpip").sdxl_attn2_negpip)
    return patched


@pytest.mark.parametrize("repository", ["cd-tuner_negpip-ComfyUI", "ComfyUI-ppm"])
def test_negpip_before_or_after_hga_leaves_the_person(model, person, rows, figure, repository):
    for place, hga in (
        ("before", person.hga(negpip_of(repository, model))), ("after", negpip_of(repository, person.hga(model)))
    ):  # fmt: skip
        figure(f"{repository}, {place} HGA", predict(hga, person.positive, person.negative), guided(rows), 1e-5)


def test_pre_cfg_nodes_that_copy_options(model, person, figure):
    """It computes rows of its own with options copied deeply; on both guiders the same."""
    module = pack("pre_cfg_comfy_nodes_for_ComfyUI", "nodes")
    names = [name for name in vars(module) if name.startswith("perturbed_attention_guidance_pre_cfg")]
    node = getattr(module, names[0])
    defaults = {
        key: value[1]["default"] if len(value) > 1 and "default" in value[1] else value[0][0]
        for key, value in node.INPUT_TYPES()["required"].items() if key != "model"
    }  # fmt: skip
    hga = getattr(node(), node.FUNCTION)(model=person.hga(model), **defaults)[0]
    sampled = predict(hga, person.positive, person.negative)
    assert (sampled - predict(person.hga(model), person.positive, person.negative)).abs().max() > 1e-3
    figure("pre_cfg_comfy_nodes' PAG, CFLD Guider", guide(guider_of(hga, person)), sampled, 1e-5)


def evolved(model):
    """Use Evolved Sampling without a motion model: its own sampling function, as long as a sampling lasts."""
    nodes = pack("ComfyUI-AnimateDiff-Evolved", "animatediff.nodes_gen2")
    return nodes.UseEvolvedSamplingNode().use_evolved_sampling(model, "use existing")[0]


@pytest.mark.parametrize("side", ["person", "scene"])
def test_animatediff_on_one_side_of_a_scene_is_refused_and_on_both_is_right(model, person, figure, side):
    texts, start = (scene_text("scene"), scene_text("not in it")), noise_of(1, 16, 16)
    own, scene_model = (evolved(model), model) if side == "person" else (model, evolved(model))
    before = comfy.samplers.sampling_function
    with pytest.raises(ValueError, match="alone carries ADE, which samples in place of the host"):
        sample(scene_guider(person.hga(own), person, texts, scene_model=scene_model), start)
    assert comfy.samplers.sampling_function is before
    both = sample(scene_guider(person.hga(evolved(model)), person, texts, scene_model=evolved(model)), start)
    plain = sample(scene_guider(person.hga(model), person, texts), start)
    figure(f"ComfyUI-AnimateDiff-Evolved on both sides of a scene, after one on the {side}", both, plain, 1e-5)


def test_automatic_cfg_in_an_earlier_prompt(model, person, text, monkeypatch):
    """It replaces the host's sampling function as long as the server lives, and tells functions after it no scale.

    What its function makes of a later prompt's cfg is its own; a KeyError was ours.
    """
    colours = SimpleNamespace(RED="", GREEN="", YELLOW="", BLUE="", MAGENTA="", CYAN="", RESET="", RESET_ALL="")
    monkeypatch.setitem(sys.modules, "colorama", SimpleNamespace(Fore=colours, Style=colours, Back=colours))
    monkeypatch.setattr(comfy.samplers, "sampling_function", comfy.samplers.sampling_function)
    try:
        nodes = pack("ComfyUI-AutomaticCFG", "nodes")
    except (ImportError, AttributeError) as error:
        pytest.skip(f"it does not import outside of a server: {error}")
    patched = nodes.simpleDynamicCFG().patch(model=model, hard_mode=True, boost=True)[0]
    predict(patched, text, text)
    assert predict(person.hga(model), person.positive, person.negative).isfinite().all()
    assert predict(person.hga(model), text, text).isfinite().all()
