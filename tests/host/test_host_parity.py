"""Parity, torch to ComfyUI: the nodes under the host's samplers against the diffusers pipeline and the goldens."""

import comfy.samplers
import pytest
import tiny_host
import torch
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from tiny_host import BATCH, ask_reference, count_calls, golden, ksample, nodes, noise, pipeline_latents, sigmas_of

pytestmark = pytest.mark.usefixtures("no_gradients")
STEPS = 4
TOLERANCE = 1e-4 / tiny_host.LATENT_SCALE  # 1e-4 in the U-Net's units; the host's latents are divided by 0.18215


def assert_equals_the_pipeline(latents, expected):
    assert (latents - expected).abs().max() < TOLERANCE


def guide(guider, sigmas):
    return guider.sample(noise(), torch.zeros_like(noise()), comfy.samplers.ksampler("euler"), sigmas, seed=1)


def test_encoders_in_the_host_reproduce_the_authors(encoded):
    unconditional, conditional = golden.golden()["c"].chunk(2)
    assert (encoded.prompt[0][0] - conditional).abs().max() < 1e-4
    assert torch.equal(encoded.learnt[0][0], unconditional)
    for block, residual in encoded.appearance.residuals.items():
        assert golden.golden().difference(f"appearance.block_{block}_cross_attn_q", residual) < 5e-5
    control = encoded.positive[0][1]["control"]
    for level, features in enumerate(control.features):
        assert golden.golden().difference(f"pose_encoder.feature.{level}", features) < 5e-5


# (pose_guidance, cfg, rows a step): the pose-only row is run where it has a weight, the sampler's own two as it likes
KSAMPLER_CASES = [(2.0, 2.0, 2), (2.2, 2.6, 3), (1.0, 2.0, 3), (2.0, 1.0, 3), (2.0, 0.0, 3), (1.0, 1.0, 1)]


@pytest.mark.parametrize(("pose_guidance", "cfg", "rows"), KSAMPLER_CASES)
def test_ksampler_with_hga_apply_equals_the_pipeline(model, encoded, pose_guidance, cfg, rows):
    patched, calls = count_calls(encoded.patched(model, pose_guidance=pose_guidance))
    latents = ksample(patched, encoded.positive, encoded.negative, cfg, STEPS)
    weights = tiny_host.guidance.row_weights("uc_down_full", {"down": pose_guidance, "full": cfg})
    expected = pipeline_latents(model, weights, sigmas_of(model, STEPS))
    assert_equals_the_pipeline(latents, expected)
    assert calls == [rows * BATCH] * STEPS


@pytest.mark.parametrize("mode", tiny_host.guidance.GUIDANCE_TYPES)
def test_cfld_guider_equals_the_pipeline(model, encoded, mode):
    scales = {scale: golden.SCALES[scale] for scale in tiny_host.guidance.SCALES_OF[mode]}
    patched, calls = count_calls(encoded.patched(model))
    widgets = {"mode": mode} | {f"{scale}_scale": value for scale, value in scales.items()}
    guider = nodes.CFLDGuiderNode.execute(patched, encoded.positive, encoded.negative, widgets, 0.0, 1.0).result[0]
    latents = guide(guider, sigmas_of(model, STEPS))
    weights = tiny_host.guidance.row_weights(mode, scales)
    assert_equals_the_pipeline(latents, pipeline_latents(model, weights, sigmas_of(model, STEPS)))
    assert calls == [len(weights) * BATCH] * STEPS


def dual_cfg_guider(model, encoded):
    """Core's guider; its middle prompt is a second Pose Conditioning on the first one's negative output."""
    pose_only, _ = encoded.posed(encoded.negative, encoded.negative)
    guider = Guider_DualCFG(model)
    guider.set_conds(encoded.positive, pose_only, encoded.negative)
    guider.set_cfg(golden.SCALES["full"], golden.SCALES["down"])
    return guider


def test_dual_cfg_guider_equals_the_pipeline(model, encoded):
    patched, calls = count_calls(encoded.patched(model))
    latents = guide(dual_cfg_guider(patched, encoded), sigmas_of(model, STEPS))
    weights = tiny_host.guidance.row_weights("uc_down_full", golden.SCALES)
    assert_equals_the_pipeline(latents, pipeline_latents(model, weights, sigmas_of(model, STEPS)))
    assert calls == [3 * BATCH] * STEPS


@pytest.mark.parametrize("guider", ["ksampler", "dual"])
def test_splitting_the_batch_changes_nothing(model, encoded, guider, monkeypatch):
    def run():
        patched, calls = count_calls(encoded.patched(model, pose_guidance=2.2))
        if guider == "dual":
            return guide(dual_cfg_guider(patched, encoded), sigmas_of(model, STEPS)), calls
        return ksample(patched, encoded.positive, encoded.negative, 2.6, STEPS), calls

    together, calls = run()
    monkeypatch.setattr(model.model, "memory_required", lambda *args, **kwargs: 1e30)
    apart, split_calls = run()
    assert calls == [3 * BATCH] * STEPS and split_calls == [BATCH] * 3 * STEPS
    assert (together - apart).abs().max() < TOLERANCE


def test_euler_reproduces_the_authors_ddim(model, encoded):
    """docs/method.md, section 8: their DDIM starts at noise*sqrt(1+sigma^2) and ends at abar_0."""
    sampling = model.get_model_object("model_sampling")
    sigmas = torch.stack([sampling.sigma(torch.tensor(float(t))) for t in [*golden.golden()["ddim.timesteps"], 0]])
    patched = encoded.patched(model)
    mode = {"mode": "uc_down_full", "down_scale": golden.SCALES["down"], "full_scale": golden.SCALES["full"]}
    guider = nodes.CFLDGuiderNode.execute(patched, encoded.positive, encoded.negative, mode, 0.0, 1.0).result[0]
    scaled = noise() * torch.sqrt(1 + sigmas[0] ** 2) / sigmas[0]  # the host multiplies by sigma
    latents = guider.sample(scaled, torch.zeros_like(scaled), comfy.samplers.ksampler("euler"), sigmas, seed=1)
    alpha = torch.rsqrt(1 + sigmas[-1] ** 2)  # back from sigma space at abar_0
    latents = latents * tiny_host.LATENT_SCALE * alpha
    assert golden.golden().difference("ddim.uc_down_full.step3.latents", latents) < 1e-3


def test_ddpm_with_ddim_uniform_is_the_papers_sampler(model, encoded):
    """The same ancestral noises in both; the pipeline starts at sqrt(1+sigma^2), the host at sigma."""
    steps, drawn = 10, [golden.input_tensor(f"ddpm.noise.{step}", noise().shape) for step in range(10)]
    expected = ask_reference("tiny_ddpm", latents=noise(), noises=drawn)
    sigmas = sigmas_of(model, steps)
    noises = iter(drawn)
    start = noise() * torch.sqrt(1 + sigmas[0] ** 2) / sigmas[0]
    sampler = comfy.samplers.ksampler("ddpm", {"noise_sampler": lambda *args: next(noises)})
    guider = comfy.samplers.CFGGuider(encoded.patched(model))
    guider.set_conds(encoded.positive, encoded.negative)
    guider.set_cfg(2.0)
    latents = guider.sample(start, torch.zeros_like(start), sampler, sigmas, seed=1)
    assert (latents * tiny_host.LATENT_SCALE - expected).abs().max() < 1e-4 * expected.std().clamp(min=1)
