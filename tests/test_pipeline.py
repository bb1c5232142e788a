"""The diffusers pipeline: which source meets which pose, any latent size, any scheduler, either autoencoder."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from cfld_modules.checkpoints.cfld_checkpoint import build_networks, load_checkpoint
from cfld_modules.errors import StepsError
from cfld_modules.guidance import GUIDANCE_TYPES
from cfld_modules.networks.hga import resample_tokens, token_grid
from cfld_modules.networks.pose_adapter import resample_map
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.schedulers import SCHEDULERS, published_scheduler
from cfld_modules.pipeline.unet_patch import patch_unet
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.reading import read_pose_keypoints
from tests import golden, tiny_models

SMALL = {"steps": 1, "width": 44, "height": 64}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> CFLDPipeline:
    checkpoint = load_checkpoint(
        golden.write_authors_pair(tmp_path_factory.mktemp("authors"), unet=golden.key_values())
    )
    unet = patch_unet(tiny_models.tiny_unet(), checkpoint.key_values)
    networks = build_networks(checkpoint)
    pipeline = CFLDPipeline(unet, tiny_models.tiny_autoencoder(), published_scheduler("ddim"), networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(autouse=True)
def ddim(pipeline: CFLDPipeline) -> None:
    pipeline.scheduler = published_scheduler("ddim")


@pytest.fixture
def latents(pipeline: CFLDPipeline, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The latents that the pipeline decodes, call by call."""
    decoded: list[torch.Tensor] = []
    decode = CFLDPipeline.decode

    def keep(pipeline: CFLDPipeline, latents: torch.Tensor, width: int, height: int) -> np.ndarray:
        decoded.append(latents)
        return decode(pipeline, latents, width, height)

    monkeypatch.setattr(CFLDPipeline, "decode", keep)
    return decoded


def photos(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (90 + 30 * n, 70, 3), np.uint8)) for n in range(count)]


def poses(*names: str) -> list[Pose]:
    return read_pose_keypoints(golden.pose_keypoints(*names))


def seeded(seed: int = 3407) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Batches


@pytest.mark.parametrize(("sources", "targets"), [(1, 1), (1, 3), (3, 1), (2, 2)])
def test_as_many_pictures_as_the_longer_of_both(pipeline: CFLDPipeline, sources: int, targets: int) -> None:
    pictures = pipeline(photos(sources), poses("front", "side", "half")[:targets], generator=seeded(), **SMALL)
    assert len(pictures) == max(sources, targets)
    assert all(picture.size == (44, 64) and picture.mode == "RGB" for picture in pictures)


@pytest.mark.parametrize(("sources", "targets"), [(2, 3), (3, 2), (0, 2)])
def test_numbers_that_do_not_pair_up_are_refused(pipeline: CFLDPipeline, sources: int, targets: int) -> None:
    with pytest.raises(ValueError, match=f"{sources} sources and {targets} poses do not pair up"):
        pipeline(photos(sources), poses("front", "side", "half")[:targets], **SMALL)


@pytest.mark.parametrize(("sources", "targets"), [(1, 3), (3, 1)])
def test_encoders_run_once_a_person_and_a_pose(pipeline: CFLDPipeline, sources: int, targets: int) -> None:
    """Not once a picture or a step."""
    given: list[tuple[str, int]] = []
    modules = {"people": pipeline.cfld.backbone, "poses": pipeline.cfld.pose_encoder, "rows": pipeline.unet}
    hooks = [
        module.register_forward_pre_hook(lambda _, arguments, name=name: given.append((name, len(arguments[0]))))
        for name, module in modules.items()
    ]
    pipeline(photos(sources), poses("front", "side", "half")[:targets], **SMALL | {"steps": 2})
    for hook in hooks:
        hook.remove()
    assert given == [("people", sources), ("poses", targets), ("rows", 6), ("rows", 6)]


def test_the_nth_source_meets_the_nth_pose(pipeline: CFLDPipeline) -> None:
    noise = golden.input_tensor("noise", (2, 4, 16, 16))
    sources, targets = photos(2), poses("front", "side")

    def denoise(sources: list[Image.Image], targets: list[Pose], noise: torch.Tensor) -> torch.Tensor:
        appearance, pose = pipeline.encode_sources(sources, "pad"), pipeline.encode_poses(targets, "pad")
        return pipeline.denoise(noise, appearance, pose, steps=2)

    together = denoise(sources, targets, noise)
    for number in range(2):
        alone = denoise(sources[number : number + 1], targets[number : number + 1], noise[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, rtol=0, atol=1e-3)
    exchanged = denoise(sources[::-1], targets, noise)
    assert (exchanged - together).abs().amax(dim=(1, 2, 3)).min() > 0.1


def test_the_seed_decides_the_picture(pipeline: CFLDPipeline, latents: list[torch.Tensor]) -> None:
    for seed in (1, 1, 2):
        pipeline(photos(1), poses("front"), generator=seeded(seed), **SMALL)
    first, again, other = latents
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1


def test_one_source_for_many_poses_is_that_source_for_each(
    pipeline: CFLDPipeline, latents: list[torch.Tensor]
) -> None:
    for sources, targets in ((photos(1), poses("front", "side")), (photos(1) * 2, poses("front", "side"))):
        pipeline(sources, targets, generator=seeded(), **SMALL)
    torch.testing.assert_close(*latents, rtol=0, atol=1e-3)


# The U-Net's rows


def count_rows(pipeline: CFLDPipeline, guidance_type: str, scales: dict) -> list[int]:
    """Rows of every U-Net call in two steps with a batch of two."""
    rows: list[int] = []
    hook = pipeline.unet.register_forward_pre_hook(lambda unet, inputs: rows.append(len(inputs[0])))
    noise = golden.input_tensor("noise", (2, 4, 8, 8))
    appearance = pipeline.encode_sources(photos(2), "pad")
    pipeline.denoise(noise, appearance, pipeline.encode_poses(poses("front", "side"), "pad"), guidance_type, scales, 2)
    hook.remove()
    return rows


@pytest.mark.parametrize(
    ("guidance_type", "scales", "rows"),
    [
        ("uc_down_full", {}, 2),
        ("uc_down_full", {"down": 2.5}, 3),
        ("uc_down_full", {"down": 1.0, "full": 1.0}, 1),
        ("uc_down_updown_full", {"down": 2.5, "all": 1.5}, 4),
    ],
)
def test_a_step_is_one_call_without_the_rows_that_cancel(
    pipeline: CFLDPipeline, guidance_type: str, scales: dict, rows: int
) -> None:
    assert count_rows(pipeline, guidance_type, scales) == [2 * rows] * 2


# Latents of other sizes than the trained


@pytest.mark.parametrize("size", [(24, 40), (33, 25), (8, 8), (64, 44)])
def test_pipeline_at_any_size_of_latents_keeps_their_shape(pipeline: CFLDPipeline, size: tuple[int, int]) -> None:
    noise = golden.input_tensor("noise", (1, 4, *size))
    pose = pipeline.encode_poses(poses("front"), "pad")
    sampled = pipeline.denoise(noise, pipeline.encode_sources(photos(1), "pad"), pose, steps=1)
    assert sampled.shape == noise.shape and sampled.isfinite().all()


@pytest.mark.parametrize("grid", [(24, 40), (17, 9), (64, 64)])
def test_residuals_and_maps_are_resampled_alike(grid: tuple[int, int]) -> None:
    """Rows stay rows: a transposed grid has as many tokens, and no shape would tell."""
    features = golden.input_tensor("features", (2, 5, 32, 32))
    tokens = features.flatten(2).transpose(1, 2)
    expected = resample_map(features, grid).flatten(2).transpose(1, 2)
    torch.testing.assert_close(resample_tokens(tokens, grid), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_resample_map_half_precision_on_a_cpu_gives_the_rounded_map_of_fp32(dtype):
    features = torch.randn(1, 4, 8, 8).to(dtype)
    expected = resample_map(features.float(), (6, 6)).to(dtype)
    torch.testing.assert_close(resample_map(features, (6, 6)), expected, rtol=0, atol=0)


def test_nothing_is_resampled_at_the_trained_size() -> None:
    features = golden.input_tensor("features", (2, 5, 32, 32))
    tokens = features.flatten(2).transpose(1, 2)
    assert resample_map(features, (32, 32)) is features
    assert resample_tokens(tokens, (32, 32)) is tokens


@pytest.mark.parametrize("size", [(64, 64), (64, 44), (96, 64), (33, 25), (120, 68)])
@pytest.mark.parametrize("level", range(3))
def test_the_grid_of_a_layer_is_found_from_its_tokens(size: tuple[int, int], level: int) -> None:
    rows, columns = (-(-side // 2**level) for side in size)
    assert token_grid(rows * columns, *size) == (rows, columns)


# Schedulers


# 3, 9, 27 and those from 101 on began at timestep 1000 (stable-diffusion-webui 3917); 1000 itself: diffusers 10003.
@pytest.mark.parametrize("steps", [1, 3, 4, 9, 20, 27, 36, 50, 51, 60, 101, 107, 111, 334, 501, 600, 999, 1000])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_number_of_steps_leads_from_noise_to_picture_or_is_refused(name: str, steps: int) -> None:
    try:
        scheduler = published_scheduler(name, steps)
    except StepsError as error:
        assert steps == 1 or steps > 50
        assert re.fullmatch(rf"{name} cannot sample in {steps} steps, .*; give \d+( or \d+)?", str(error))
        for number in map(int, re.findall(r"\d+", str(error).partition("give ")[2])):
            published_scheduler(name, number)
        return
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.max() >= 1000 - 1000 / steps - 61 and scheduler.timesteps.max() < 1000
    sample = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:  # of the picture 0.5, whose noise a network knows
        noise_free = scheduler.scale_model_input(sample, timestep)
        level = scheduler.alphas_cumprod[min(int(timestep), 999)]
        sample = scheduler.step((noise_free - level.sqrt() * 0.5) / (1 - level).sqrt(), timestep, sample).prev_sample
    assert (sample - 0.5).abs().max() < 0.1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_samples_and_repeats_itself(pipeline: CFLDPipeline, name: str) -> None:
    appearance, pose = pipeline.encode_sources(photos(1), "pad"), pipeline.encode_poses(poses("front"), "pad")
    pipeline.scheduler = published_scheduler(name)
    pipeline.scheduler.set_timesteps(4)
    noise = golden.input_tensor("noise", (1, 4, 8, 8)) * pipeline.scheduler.init_noise_sigma

    def sample(seed: int) -> torch.Tensor:
        return pipeline.denoise(noise, appearance, pose, steps=4, generator=seeded(seed))

    first, again, other = sample(1), sample(1), sample(2)
    assert first.isfinite().all()
    assert torch.equal(first, again)
    draws_noise = name in ("ddpm", "euler_ancestral", "dpm++_sde", "lcm")
    assert torch.equal(first, other) != draws_noise


def test_euler_starts_at_its_own_noise_level(pipeline: CFLDPipeline, latents: list[torch.Tensor]) -> None:
    """Up to the last level, 0 in place of abar_0, Euler's steps are DDIM's; from another start they would not be."""
    for name in ("ddim", "euler"):
        pipeline.scheduler = published_scheduler(name)
        pipeline(photos(1), poses("front"), generator=seeded(), steps=4, width=44, height=64)
    assert (latents[0] - latents[1]).abs().max() < 0.02 * latents[0].abs().max()


# Autoencoders, scales and precision


def test_the_large_autoencoder_gives_pictures_too(pipeline: CFLDPipeline) -> None:
    full = CFLDPipeline(pipeline.unet, tiny_models.tiny_vae(), pipeline.scheduler, pipeline.cfld)
    full.set_progress_bar_config(disable=True)
    (picture,) = full(photos(1), poses("side"), generator=seeded(), steps=1, width=176, height=256)
    assert picture.size == (176, 256)
    assert np.array(picture).std() > 1


def test_latents_are_scaled_as_the_autoencoder_says(pipeline: CFLDPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    vae, received = tiny_models.tiny_vae(), []
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda latents: (received.append(latents), decode(latents))[1])
    noise = golden.input_tensor("noise", (1, 4, 8, 8))
    CFLDPipeline(pipeline.unet, vae, pipeline.scheduler, pipeline.cfld).decode(noise, 44, 64)
    torch.testing.assert_close(received[0], noise / 0.18215)


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
def test_scales_not_given_are_the_papers(pipeline: CFLDPipeline, guidance_type: str) -> None:
    appearance, pose = pipeline.encode_sources(photos(1), "pad"), pipeline.encode_poses(poses("front"), "pad")
    noise = golden.input_tensor("noise", (1, 4, 8, 8))
    papers = dict.fromkeys(("down", "all", "full", "guidance"), 2.0)
    default, explicit = (
        pipeline.denoise(noise, appearance, pose, guidance_type, scales, steps=1) for scales in (None, papers)
    )
    assert torch.equal(default, explicit)


def test_networks_of_half_precision_sample(pipeline: CFLDPipeline, latents: list[torch.Tensor]) -> None:
    modules = (pipeline.unet, pipeline.vae, pipeline.cfld)
    pipeline(photos(1), poses("front"), generator=seeded(), **SMALL)
    try:
        for module in modules:
            module.to(torch.bfloat16)
        pipeline(photos(1), poses("front"), generator=seeded(), **SMALL)
    finally:
        for module in modules:
            module.to(torch.float32)
    exact, rounded = latents
    assert rounded.dtype == torch.float32, "latents and guidance stay in full precision"
    assert torch.corrcoef(torch.stack([exact.flatten(), rounded.flatten()]))[0, 1] > 0.98
