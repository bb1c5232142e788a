"""CFLD Scene Guider among what users put into its graph: rows a step, weights that are shared, other nodes, errors."""

import logging

import comfy.hooks
import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import pytest
import tiny_host
import torch
from comfy_extras import nodes_easycache, nodes_pag
from composition import having, text_conditioning
from scene_reference import (
    PERSON_CFG,
    SCENE_CFG,
    SIGMAS,
    EverySigma,
    fused_noise,
    guided_person,
    guided_scene,
    noise_of,
    row,
    sample,
    scene_guider,
    scene_text,
)
from test_host_patches import OtherControl
from tiny_host import nodes

pytestmark = pytest.mark.usefixtures("no_gradients")

ONE_STEP = SIGMAS[1:2].repeat(2) * torch.tensor([1.0, 0.0])
START = noise_of(1, 16, 16)
CLOSE = 5e-5  # of latents with a spread of one or more, in float32


@pytest.fixture(scope="module")
def texts(no_gradients):
    return scene_text("scene"), scene_text("not in it")


@pytest.fixture(scope="module")
def hga(model, person):
    return person.hga(model, 1.0)


def denoised(guider, start=START, **to):
    """What one fused step gives, as noise, with what the step was given."""
    every = EverySigma()
    sample(guider, start, every, ONE_STEP, **to)
    ((x, sigma, result),) = every.steps
    return x, sigma, (x - result) / sigma


def assert_fuses(guider, hga, person, scene_model, texts, person_cfg=PERSON_CFG, scene_cfg=SCENE_CFG, start=START):
    x, sigma, found = denoised(guider, start)
    expected, mask = fused_noise(
        guided_person(hga, person, x, sigma, person_cfg), guided_scene(scene_model, texts, x, sigma, scene_cfg)
    )
    assert 0 < mask.float().mean() < 1
    assert (found - expected).abs().max() < CLOSE


def lora_patches(model):
    generator = torch.Generator().manual_seed(6)
    state = model.model.state_dict()
    names = [name for name in state if ".attn2.to_" in name and name.endswith("weight")]
    return {name: ("diff", (torch.randn(state[name].shape, generator=generator) * 0.1,)) for name in names}


def with_lora(model):
    patched = model.clone()
    assert patched.add_patches(lora_patches(model))
    return patched


@pytest.mark.parametrize(
    ("pose_guidance", "cfg", "rows"), [(3.0, 2.0, [2, 3, 2, 3]), (2.0, 2.0, [2, 2, 2, 2]), (1.0, 1.0, [1, 2, 2, 1])]
)
def test_each_stage_runs_its_own_rows(model, person, texts, pose_guidance, cfg, rows):
    """Scene; person and scene; person. At a cfg of 1 a stage alone costs one row, while saliency needs two."""
    counted, calls = tiny_host.count_calls(person.hga(model, pose_guidance))
    scene_cfg = 5.0 if cfg > 1 else 1.0
    guider = scene_guider(
        counted, person, texts, person_guidance=cfg, scene_guidance=scene_cfg,
        fusion_start_percent=0.3, fusion_end_percent=0.7,
    )  # fmt: skip
    sample(guider, START)
    assert calls == rows


def test_the_publications_stages_of_its_50_steps(model):
    """Steps 0 to 15, 16 to 30, 31 to 49 of 50."""
    sigmas = tiny_host.sigmas_of(model, 50)[:-1]
    start, end = (model.model.model_sampling.percent_to_sigma(percent) for percent in (0.33, 0.63))
    assert len(sigmas) == 50
    assert [int(((sigmas > low) & (sigmas <= high)).sum()) for high, low in (
        (torch.inf, start), (start, end), (end, -1.0)
    )] == [16, 15, 19]  # fmt: skip


@pytest.mark.parametrize(("side", "percent"), [("person", 0.0), ("scene", 1.0)])
def test_a_stage_is_what_a_sampler_gives_without_the_node(model, person, texts, side, percent):
    """Bit for bit, other guidance and CFG++ included."""

    def with_pag(patcher):
        return nodes_pag.PerturbedAttentionGuidance.execute(patcher, 3.0).result[0]

    hga = with_pag(person.hga(model))
    alone = comfy.samplers.CFGGuider(hga if side == "person" else with_pag(model))
    alone.set_conds(*((person.positive, person.negative) if side == "person" else texts))
    alone.set_cfg(PERSON_CFG if side == "person" else SCENE_CFG)
    guider = scene_guider(hga, person, texts, fusion_start_percent=percent, fusion_end_percent=percent)
    for sampler in ("euler", "euler_cfg_pp"):
        assert torch.equal(sample(guider, START, sampler), sample(alone, START, sampler)), sampler


def test_scene_guider_with_scales_of_one_fuses_conditional_rows(model, person, hga, texts):
    guider = scene_guider(person.hga(model), person, texts, scene_guidance=1.0, person_guidance=1.0)
    assert_fuses(guider, hga, person, model, texts, 1.0, 1.0)


def test_the_same_checkpoint_without_hga_costs_no_second_copy(model, person, hga, texts, monkeypatch):
    monkeypatch.setattr("copy.deepcopy", lambda *_: pytest.fail("the weights were copied"))
    alone = sample(scene_guider(person.hga(model), person, texts), START)
    second = sample(scene_guider(person.hga(model), person, texts, scene_model=model), START)
    assert torch.equal(alone, second)


def test_a_lora_of_the_scene_alone(model, person, hga, texts):
    """The same checkpoint's weights with and without a LoRA, in one step."""
    before = row(model, texts[0], START, SIGMAS[1])
    scene_model = with_lora(model)
    guider = scene_guider(person.hga(model), person, texts, scene_model=scene_model)
    assert_fuses(guider, hga, person, scene_model, texts)
    assert torch.equal(row(model, texts[0], START, SIGMAS[1]), before), "the LoRA stayed in the weights"


def test_a_lora_of_the_person_alone(model, person, texts):
    with_one = with_lora(model)
    guider = scene_guider(person.hga(with_one), person, texts, scene_model=model)
    assert_fuses(guider, person.hga(with_one, 1.0), person, model, texts)


def test_scene_model_with_another_person_keeps_both_people(model, person, hga, encoded):
    """HGA Apply on both models of one checkpoint, with different people."""
    from composition import Person

    other = Person(encoded, 1, "front")
    x, sigma, found = denoised(
        scene_guider(
            person.hga(model), person, (other.positive, other.negative), scene_model=other.hga(model, SCENE_CFG)
        )
    )
    scene = guided_person(other.hga(model, 1.0), other, x, sigma, SCENE_CFG, SCENE_CFG)
    expected, mask = fused_noise(guided_person(hga, person, x, sigma), scene)
    assert 0 < mask.float().mean() < 1 and (found - expected).abs().max() < CLOSE


def test_a_hooked_lora_of_the_scene(model, person, hga, texts):
    """Core's hooks change the weights from entry to entry."""
    hook = comfy.hooks.WeightHook(strength_model=1.0)
    hook.weights, hook.need_weight_init = lora_patches(model), False
    group = comfy.hooks.HookGroup()
    group.add(hook)
    hooked = [having(text, hooks=group) for text in texts]
    assert_fuses(scene_guider(person.hga(model), person, hooked), hga, person, with_lora(model), texts)


def test_an_area_and_a_controlnet_of_the_scene_are_its_own(model, person, hga, texts):
    """Core copies a positive's areas and ControlNets into conditioning that has none: not into the person's."""
    positive, negative = texts
    whole = having(positive, control=OtherControl(), control_apply_to_uncond=True)
    both = whole + having(scene_text("corner"), area=(8, 8, 0, 0), strength=1.0)
    start = noise_of(1, 32, 32)
    x, sigma, found = denoised(scene_guider(person.hga(model), person, (both, negative)), start)
    alone = comfy.samplers.CFGGuider(model)
    alone.set_conds(both, negative)
    alone.set_cfg(SCENE_CFG)
    rows = []
    for cfg in (SCENE_CFG, 0.0):
        alone.set_cfg(cfg)
        rows.append(denoised(alone, start)[2])
    expected, _ = fused_noise(guided_person(hga, person, x, sigma), (rows[0], rows[0] - rows[1]))
    assert (found - expected).abs().max() < CLOSE


def test_a_person_in_an_area_of_the_scene(model, person, hga, texts):
    """Outside of it the person has no prediction, however little the scene has to say there."""
    area = {"area": (16, 8, 0, 8), "strength": 1.0}
    positive, negative = (having(side, **area) for side in (person.positive, person.negative))
    guider = scene_guider(person.hga(model, PERSON_CFG), person, texts)
    guider.set_conds(positive, negative)
    x, sigma, found = denoised(guider)
    uc, full = (row(hga, side, x, sigma) for side in (negative, positive))
    scene = guided_scene(model, texts, x, sigma)
    inside = torch.zeros(1, 16, 16, dtype=torch.bool)
    inside[..., 8:] = True
    # Outside, the host takes nothing for the denoised latents of both rows.
    persons = torch.where(inside[:, None], uc + PERSON_CFG * (full - uc), x / sigma), PERSON_CFG * (full - uc)
    assert not persons[1][..., :8].any() and (uc - x / sigma)[..., :8].abs().max() < CLOSE
    _, mask = fused_noise(persons, scene)
    assert (mask & inside).any()
    assert (found - torch.where((mask & inside)[:, None], persons[0], scene[0])).abs().max() < CLOSE


def test_cfg_plus_plus_gets_both_fused_predictions(model, person, hga, texts):
    """Its samplers read the unconditional prediction by a function of their own after guidance."""
    seen = {}

    def note(arguments):
        seen.update(arguments)
        return arguments["denoised"]

    class Asking(EverySigma):
        def __call__(self, model, x, sigmas, extra_args=None, **others):
            options = comfy.model_patcher.set_model_options_post_cfg_function(
                extra_args["model_options"].copy(), note, disable_cfg1_optimization=True
            )
            return super().__call__(model, x, sigmas, extra_args | {"model_options": options}, **others)

    every = Asking()
    sample(scene_guider(person.hga(model), person, texts), START, every, ONE_STEP)
    ((x, sigma, result),) = every.steps
    persons, scenes = guided_person(hga, person, x, sigma), guided_scene(model, texts, x, sigma)
    _, mask = fused_noise(persons, scenes)
    unconditional = torch.where(mask[:, None], persons[0] - persons[1], scenes[0] - scenes[1])
    assert ((x - seen["uncond_denoised"]) / sigma - unconditional).abs().max() < CLOSE
    assert torch.equal(seen["denoised"], result)
    for sampler in ("euler_cfg_pp", "dpmpp_2m_cfg_pp"):
        guider = scene_guider(person.hga(model), person, texts, fusion_start_percent=0.3, fusion_end_percent=0.7)
        assert torch.isfinite(sample(guider, START, sampler)).all()


def test_a_cache_that_leaves_out_steps(model, person, texts):
    """Core's LazyCache, on one model for both: a step of one side may be left out."""
    cached = nodes_easycache.LazyCacheNode.execute(person.hga(model), 3.0, 0.0, 1.0, False).result[0]
    counted, calls = tiny_host.count_calls(cached)
    result = sample(scene_guider(counted, person, texts), START, sigmas=torch.linspace(5, 0, 9))
    assert torch.isfinite(result).all() and len(calls) < 16


def test_a_scene_model_for_inpainting(model, person, hga, texts):
    """Its further channels come from the sampler's latents, as under any sampler."""
    config = comfy.supported_models.SD15(tiny_host.UNET_CONFIG | {"in_channels": 9})
    config.unet_config = dict(tiny_host.UNET_CONFIG, in_channels=9)
    config.set_inference_dtype(torch.float32, None)
    base = comfy.model_base.BaseModel(config)
    base.set_inpaint()
    state = model.model.diffusion_model.state_dict()
    first = "input_blocks.0.0.weight"
    state[first] = torch.cat([state[first], state[first].repeat(1, 2, 1, 1)[:, :5]], dim=1)
    base.diffusion_model.load_state_dict(state)
    inpainting = comfy.model_patcher.ModelPatcher(base, model.load_device, model.offload_device)
    assert_fuses(scene_guider(person.hga(model), person, texts, scene_model=inpainting), hga, person, inpainting, texts)


def test_twice_after_an_interruption_and_nothing_left_behind(model, person, texts):
    hga, scene_model = person.hga(model), with_lora(model)
    guider = scene_guider(hga, person, texts, scene_model=scene_model)
    first = sample(guider, START)

    def interrupt(step, *_):
        comfy.model_management.interrupt_current_processing()

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sample(guider, START, callback=interrupt)
        comfy.model_management.throw_exception_if_processing_interrupted()
    comfy.model_management.interrupt_current_processing(False)
    assert torch.equal(sample(guider, START), first)
    assert guider.scene_patcher is None and not hga.additional_models and not scene_model.additional_models
    assert torch.equal(sample(scene_guider(hga, person, texts, scene_model=scene_model), START), first)


def test_a_text_scene_is_not_missed_in_the_log(model, person, texts, caplog):
    with caplog.at_level(logging.WARNING, "cfld"):
        sample(scene_guider(person.hga(model), person, texts), START, sigmas=ONE_STEP)
    assert not [record for record in caplog.records if record.name == "cfld"]


def test_the_saliency_as_mask_and_picture(model, person, texts):
    guider = scene_guider(person.hga(model), person, texts)
    latents = {"samples": sample(guider, noise_of(2, 8, 12))}
    mask, picture = nodes.CFLDSceneSaliency.execute(guider, latents).result
    assert mask.shape == (2, 64, 96) and picture.shape == (2, 64, 96, 3)
    assert torch.equal(mask[:, ::8, ::8] > 0.5, guider.fusion.is_person[:, 0])
    assert torch.equal(mask > 0.5, picture[..., 0] > picture[..., 2])
    assert not picture[..., 1].any() and torch.equal(picture.flatten(1).amax(dim=1), torch.ones(2))
    with pytest.raises(ValueError, match="Scene Saliency: input 'samples' has latents of 4x4, and .* 12x8"):
        nodes.CFLDSceneSaliency.execute(guider, {"samples": torch.zeros(1, 4, 4, 4)})
    with pytest.raises(ValueError, match="'guider' has fused no step"):
        nodes.CFLDSceneSaliency.execute(scene_guider(person.hga(model), person, texts), latents)
    with pytest.raises(ValueError, match="'guider' is a CFGGuider; connect the output of CFLD Scene Guider"):
        nodes.CFLDSceneSaliency.execute(comfy.samplers.CFGGuider(model), latents)


def test_what_cannot_mean_anything_is_said(model, person, texts):
    hga = person.hga(model)
    xl = tiny_host.stock_model()
    xl.model.latent_format = comfy.latent_formats.SDXL()
    for changes, message in (
        ({"fusion_start_percent": 0.6, "fusion_end_percent": 0.4}, "'fusion_start_percent' is 0.6, after 'fusion_end"),
        ({"scene_guidance": float("nan")}, "'scene_guidance' is nan"),
        ({"scene_model": xl}, "'scene_model' is a BaseModel with latents of SDXL, and 'model' has those of SD15"),
    ):
        with pytest.raises(ValueError, match=f"CFLD Scene Guider: input {message}"):
            scene_guider(hga, person, texts, **changes)
    with pytest.raises(ValueError, match="'model' has no HGA Apply"):
        scene_guider(model, person, texts)
    with pytest.raises(ValueError, match="'scene_negative' is a text of width 48, and the model of the scene reads 64"):
        scene_guider(hga, person, (texts[0], scene_text("wide", 48)))
    with pytest.raises(ValueError, match="'scene_positive' is CFLD's, but 'scene_model' has no HGA Apply"):
        scene_guider(hga, person, (person.positive, texts[1]), scene_model=model)
    with pytest.raises(ValueError, match="'positive' is not CFLD's; connect positive of Pose Conditioning"):
        nodes.CFLDSceneGuiderNode.execute(hga, text_conditioning(), person.negative, *texts, 5.0, 2.0, 0.3, 1.0)
