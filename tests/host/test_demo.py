"""The demo model: its workflow in a server that has no other model, and the same latents as the pipeline."""

import importlib
import json

import comfy.sample
import comfy.samplers
import comfy.utils
import folder_paths
import numpy as np
import pytest
import tiny_host
import torch
from host import PACK
from PIL import Image
from tiny_host import nodes, sigmas_of

from cfld_modules.demo_model import BASE_FOLDER, CFLD_FILE, HEIGHT, LORA_FILE, UPSCALER_FILE, WIDTH
from cfld_modules.evaluation.metrics import ssim

WORKFLOW = PACK / "workflows" / "api" / "demo_no_downloads.json"
SCORES = json.loads((CFLD_FILE.parent / "scores.json").read_text())["scores"]
STEPS = 10
PEOPLE = 6
# Of the mean over a few pairs about the mean over the 200 that docs/training.md gives: twice its deviation.
SPREAD = 0.04


def picture(path):
    """At the size the figures of docs/training.md are for."""
    return np.array(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def test_the_workflow_is_as_close_to_the_truth_as_the_docs_say(plain_server):
    values, unchanged = [], []
    for person in range(PEOPLE):
        prompt = json.loads(WORKFLOW.read_text())
        titles = {node["_meta"]["title"]: number for number, node in prompt.items()}
        for node in prompt.values():
            if node["class_type"] == "CFLDDemoPerson":
                node["inputs"]["person"] += person
        run = plain_server.run(prompt)
        assert run.error is None, run.error["exception_message"]
        (result,) = plain_server.pictures(run)
        source, truth = (
            plain_server.folder / "temp" / run.outputs[titles[title]]["images"][0]["filename"]
            for title in ("Source person", "Target pose and truth")
        )
        values.append(ssim(picture(result), picture(truth)))
        unchanged.append(ssim(picture(source), picture(truth)))
    assert np.mean(values) > SCORES["ssim"] - SPREAD
    assert np.mean(values) > np.mean(unchanged) + 0.1


def conditioning(cfld):
    """A person's photograph and the target's pose, for `reference.py`, and what the nodes make of them for `cfld`."""
    source, *_ = nodes.CFLDDemoPerson.execute(3, 0, 176, 256).result
    _, pose, _ = nodes.CFLDDemoPerson.execute(3, 1, 176, 256).result
    prompt, learnt, appearance = nodes.CFLDPromptEncoder.execute(cfld, source, "pad").result
    positive, negative, _ = nodes.CFLDPoseConditioning.execute(
        cfld, prompt, learnt, pose=pose, strength=1.0, start_percent=0.0, end_percent=1.0, fit="pad"
    ).result
    given = {"photograph": (source[0].numpy() * 255).round().astype(np.uint8), "pose": pose}
    return given, appearance, positive, negative


def with_hga(model, cfld, appearance, pose_guidance):
    return nodes.CFLDApplyHGA.execute(
        model, cfld, appearance, strength=1.0, pose_guidance=pose_guidance, start_percent=0.0, end_percent=1.0
    ).result[0]


def unit_noise():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))


def pipeline_latents(given, weights, model, sigmas, with_lora=False):
    """In the U-Net's units."""
    path = tiny_host.sampling_path(model, sigmas, unit_noise())
    return tiny_host.ask_reference("demo_euler", **given, weights=weights, with_lora=with_lora, **path)


def test_the_trained_file_in_the_loader_gives_the_pipeline_s_latents(tmp_path, monkeypatch):
    (tmp_path / CFLD_FILE.name).symlink_to(CFLD_FILE)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "cfld", ([str(tmp_path)], {".safetensors"}))
    folder_paths.filename_list_cache.pop("cfld", None)
    with torch.no_grad():
        cfld = nodes.CFLDLoader.execute(CFLD_FILE.name, "fp32").result[0]
        model, vae, _ = nodes.CFLDDemoModels.execute().result
        given, appearance, positive, negative = conditioning(cfld)
        patched, start = with_hga(model, cfld, appearance, 2.0), unit_noise()
        latents = comfy.sample.sample(
            patched, start, STEPS, 2.0, "euler", "ddim_uniform", positive, negative, torch.zeros_like(start), seed=1
        )
        weights = tiny_host.guidance.row_weights("uc_down_full", {"down": 2.0, "full": 2.0})
        expected = pipeline_latents(given, weights, patched, sigmas_of(patched, STEPS))
        assert (latents * tiny_host.LATENT_SCALE - expected).abs().max() < 1e-4
        decoded = vae.decode(latents)[0]
        own = tiny_host.ask_reference("demo_decoded", latents=expected, width=128, height=128)[0]
    assert np.abs(decoded.numpy() * 255 - own).max() < 2


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_lora_in_core_s_loader_needs_one_row_a_step_before_and_after_hga(is_first, steps):
    assert LORA_FILE.name in folder_paths.get_filename_list("loras")
    load = importlib.import_module("nodes").LoraLoaderModelOnly().load_lora_model_only
    with torch.no_grad():
        model, _, cfld = nodes.CFLDDemoModels.execute().result
        given, appearance, positive, negative = conditioning(cfld)
        if is_first:
            model = load(model, LORA_FILE.name, 1.0)[0]
        model, calls = tiny_host.count_calls(with_hga(model, cfld, appearance, 1.0))
        if not is_first:
            model = load(model, LORA_FILE.name, 1.0)[0]
        start = unit_noise()
        latents = comfy.sample.sample(
            model, start, steps, 1.0, "euler", "sgm_uniform", positive, negative, torch.zeros_like(start), seed=1
        )
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "sgm_uniform", steps)
        expected = pipeline_latents(given, {"full": 1.0}, model, sigmas, with_lora=True)
    assert calls == [1] * steps
    assert (latents * tiny_host.LATENT_SCALE - expected).abs().max() < 1e-4


def test_the_upscaler_in_core_s_nodes_is_nearer_to_the_truth_than_core_s_bicubic():
    extras = importlib.import_module("comfy_extras.nodes_upscale_model")
    assert UPSCALER_FILE.name in folder_paths.get_filename_list("upscale_models")
    upscaler = extras.UpscaleModelLoader.execute(UPSCALER_FILE.name).result[0]
    truth, *_ = nodes.CFLDDemoPerson.execute(5, 2, 264, 384).result
    small = torch.nn.functional.avg_pool2d(truth.movedim(-1, 1), 2).movedim(1, -1)
    upscaled = extras.ImageUpscaleWithModel.execute(upscaler, small).result[0]
    bicubic = comfy.utils.common_upscale(small.movedim(-1, 1), 264, 384, "bicubic", "disabled").movedim(1, -1)
    assert upscaled.shape == truth.shape
    assert (upscaled - truth).abs().mean() < 0.9 * (bicubic - truth).abs().mean()


def test_the_demo_model_is_small():
    files = [CFLD_FILE, *BASE_FOLDER.rglob("*.safetensors")]
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) <= 20_000_000
    assert LORA_FILE.stat().st_size < 3_000_000
    assert UPSCALER_FILE.stat().st_size < 400_000
