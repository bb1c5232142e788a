"""The torch networks give what the authors' code gives, and the comparison would notice if they did not."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import nn

from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES
from cfld_modules.guidance import GUIDANCE_TYPES
from cfld_modules.networks.config import CFLDConfig, read_config
from cfld_modules.networks.hga import AppearanceEncoder
from cfld_modules.networks.model import CFLD, Appearance
from cfld_modules.pipeline import unet_patch
from cfld_modules.pipeline.base_model import sd15_unet_config
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline, finish_pictures, inversion_timesteps
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.pipeline.unet_patch import patch_unet
from cfld_modules.poses.framing import FITS, fit_box, prepare_picture
from cfld_modules.poses.pose_maps import draw_pose, pose_maps
from cfld_modules.poses.reading import read_pose_keypoints
from tests.golden import (
    SOURCE_POSES,
    STEPS,
    TARGET_POSES,
    as_cond,
    golden,
    input_tensor,
    keys,
    pose_input,
    pose_keypoints,
    value,
)
from tests.network_mistakes import (
    Mistake,
    NoResidual,
    Patch,
    ResidualAfterScale,
    ResidualBeforeProjection,
    ResidualOnKey,
    exchanged_drawing_channels,
    normalised_keys,
    row_major_merging,
    self_attention_first,
    tanh_gelu,
    tanh_gelu_in_backbone,
    transposed_position_bias,
    unscaled_drop_path,
    without_any_position,
    without_first_position,
    without_key_position,
    without_second_position,
    without_shift,
    without_shift_mask,
    wrong_eps,
)
from tests.parity_runs import (
    SIZE,
    Tensors,
    build_networks,
    call_rows,
    call_with_everything,
    encode,
    failures,
    sample_all,
    target_maps,
)
from tests.tiny_models import tiny_unet


@pytest.fixture(scope="module")
def networks() -> CFLD:
    return build_networks()


@pytest.fixture(scope="module")
def appearance(networks: CFLD) -> Appearance:
    return networks.encode_source(as_cond(golden()["in.img_cond_u8"]))


@pytest.fixture(scope="module")
def pose(networks: CFLD) -> list[torch.Tensor]:
    return networks.encode_pose(target_maps())


@pytest.fixture(scope="module")
def pipeline(networks: CFLD) -> CFLDPipeline:
    pipeline = CFLDPipeline(patch_unet(tiny_unet(), {}), None, published_scheduler("ddim"), networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def encoded() -> Tensors:
    return encode(build_networks())


@pytest.fixture(scope="module")
def called(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
    return call_rows(pipeline, appearance, pose)


@pytest.fixture(scope="module")
def sampled(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
    return sample_all(pipeline, appearance, pose)


@pytest.mark.parametrize("part", ["backbone", "appearance", "decoder", "c", "pose_encoder", "probe"])
def test_networks_give_the_authors_outputs(encoded: Tensors, part: str) -> None:
    outputs = {name: tensor for name, tensor in encoded.items() if name.split(".")[0] == part}
    assert outputs
    assert failures(outputs) == {}


def test_unet_gives_the_authors_outputs_in_every_row_and_block(called: Tensors) -> None:
    assert failures(called) == {}


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
def test_ddim_reaches_the_authors_latents(sampled: Tensors, guidance_type: str) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith(f"ddim.{guidance_type}.")}
    assert len(outputs) == (2 * STEPS if guidance_type == "uc_down_full" else 1)
    assert failures(outputs) == {}


def test_ddpm_takes_the_authors_steps(sampled: Tensors) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith("ddpm.uc_down_full.")}
    assert len(outputs) == 2 * STEPS
    assert failures(outputs) == {}


@pytest.mark.parametrize("variant", ["uncond", "cond", "cond_down_up"])
def test_ddim_inversion_reaches_the_authors_latents(sampled: Tensors, variant: str) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith(f"inverse.{variant}.")}
    assert len(outputs) == 2
    assert failures(outputs) == {}


def test_noise_schedule_is_the_authors(sampled: Tensors) -> None:
    for name in ("ddim.timesteps", "ddpm.timesteps", "inverse.timesteps", "alphas_cumprod"):
        assert torch.equal(sampled[name], golden()[name]), name
    scheduler = published_scheduler("ddpm")
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))
    assert list(inversion_timesteps(50)) == list(range(-19, 962, 20))


def test_every_tensor_of_the_golden_file_is_compared(encoded: Tensors, called: Tensors, sampled: Tensors) -> None:
    inputs = {name for name in golden().shapes if name.startswith("in.")}
    assert set(encoded) | set(called) | set(sampled) | inputs == set(golden().shapes)


@pytest.mark.parametrize(("side", "names"), [("to", TARGET_POSES), ("from", SOURCE_POSES)])
def test_pose_maps_are_the_authors(side: str, names: tuple[str, str]) -> None:
    poses = read_pose_keypoints(pose_keypoints(*names))
    drawings = golden()[f"in.pose_{side}.draw_u8"]
    for pose, drawing in zip(poses, drawings, strict=True):
        assert np.array_equal(draw_pose(pose, SIZE, SIZE).transpose(2, 0, 1), drawing.numpy())
    assert torch.equal(pose_maps(poses, SIZE), pose_input(drawings, golden()[f"in.pose_{side}.centres"]))


def test_the_goldens_pictures_pass_through_a_resize_to_their_own_size() -> None:
    for picture in golden()["in.img_cond_u8"]:
        prepared = prepare_picture(picture.permute(1, 2, 0).numpy(), fit_box(SIZE, SIZE, "stretch"), SIZE)
        assert torch.equal(prepared, as_cond(picture))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("width", "height"), [(176, 256), (750, 1101)])
def test_photographs_are_squashed_as_the_authors_do(width: int, height: int, fit: str) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    squashed = Image.fromarray(photograph).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    expected = as_cond(torch.from_numpy(np.array(squashed)).permute(2, 0, 1))
    assert torch.equal(prepare_picture(photograph, fit_box(width, height, fit), SIZE), expected)


def test_finished_pictures_are_truncated_and_clamped_after_the_resize() -> None:
    decoded = input_tensor("decoded", (1, 3, 64, 64))
    clamped = (decoded * 0.5 + 0.5).clamp(0, 1)
    resized = functional.interpolate(clamped, size=(51, 35), mode="bicubic", antialias=True) * 255
    assert resized.min() < 0 and resized.max() > 255, "a bicubic resize overshoots"
    expected = resized.clamp(0, 255).floor().to(torch.uint8)
    assert np.array_equal(finish_pictures(decoded, 35, 51), expected.permute(0, 2, 3, 1).numpy())


def test_the_default_configuration_has_the_published_tensors() -> None:
    published = keys("full")
    with torch.device("meta"):
        networks = CFLD(CFLDConfig())
        unet = UNet2DConditionModel(**sd15_unet_config())
    shapes = {name: list(tensor.shape) for name, tensor in networks.state_dict().items()}
    unet_shapes = {f"model.{name}": list(tensor.shape) for name, tensor in unet.state_dict().items()}
    assert shapes == published.networks
    assert unet_shapes == published.unet
    assert {f"model.{name}" for name in KEY_VALUE_NAMES} == set(published.trained)
    assert read_config({name: tuple(shape) for name, shape in published.networks.items()}) == CFLDConfig()

    def count(shapes: dict[str, list[int]], prefix: str = "") -> int:
        return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefix))

    trained = {f"model.{name}": unet_shapes[f"model.{name}"] for name in KEY_VALUE_NAMES}
    assert count(shapes) == published.counts["build_model"]["total"]
    for part, number in published.counts["build_model"]["parts"].items():
        assert count(shapes, part) == number, part
    assert count(unet_shapes) == published.counts["unet"]["total"]
    assert count(trained) == published.counts["unet"]["trainable"]
    assert count(shapes) + count(trained) == published.counts["trainable"]


@pytest.mark.parametrize("size", ["tiny", "full"])
def test_the_rule_gives_the_parameters_the_goldens_were_made_with(size: str) -> None:
    shapes = keys(size).networks | keys(size).unet
    for name, first in keys(size).fill_check.items():
        assert value(name, shapes[name]).flatten()[: len(first)].tolist() == first, name


@pytest.mark.parametrize(
    ("mistake", "part"),
    [
        (without_first_position, "c"),
        (without_second_position, "c"),
        (without_any_position, "c"),
        (self_attention_first, "c"),
        (without_key_position, "c"),
        (normalised_keys, "c"),
        (wrong_eps("decoder", nn.LayerNorm, 1e-6), "probe.decoder"),
        (wrong_eps("decoder", nn.LayerNorm, 1e-12), "probe.decoder"),
        (wrong_eps("appearance_encoder", nn.LayerNorm, 1e-6), "probe.appearance"),
        (wrong_eps("appearance_encoder", nn.LayerNorm, 1e-12), "probe.appearance"),
        (wrong_eps("backbone", nn.LayerNorm, 1e-6), "backbone"),
        (wrong_eps("pose_encoder", nn.GroupNorm, 1e-5), "pose_encoder"),
        (tanh_gelu, "c"),
        (tanh_gelu, "appearance"),
        (tanh_gelu_in_backbone, "backbone"),
        (row_major_merging, "backbone"),
        (transposed_position_bias, "backbone"),
        (without_shift_mask, "backbone"),
        (without_shift, "backbone"),
        (unscaled_drop_path, "backbone"),
        (exchanged_drawing_channels, "pose_encoder"),
    ],
    ids=lambda argument: getattr(argument, "__qualname__", argument).split(".")[0],
)
def test_a_mistake_in_the_networks_is_noticed(mistake: Mistake, part: str, monkeypatch: Patch) -> None:
    networks = build_networks()
    mistake(networks, monkeypatch)
    assert any(name.startswith(part) for name in failures(encode(networks)))


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (0, 2)])
def test_two_exchanged_hga_branches_break_parity(
    networks: CFLD, encoded: Tensors, level: int, first: int, second: int, monkeypatch: Patch
) -> None:
    """Branches of different levels have different sizes and cannot be exchanged at all."""
    first, second = 3 * level + first, 3 * level + second
    exchanged = {first: second, second: first}
    branch = AppearanceEncoder.branch
    monkeypatch.setattr(
        AppearanceEncoder, "branch", lambda encoder, k, tokens: branch(encoder, exchanged.get(k, k), tokens)
    )
    residuals = networks.appearance_encoder([encoded[f"backbone.feature.{stage}"] for stage in range(4)])
    outputs = {f"appearance.block_{block}_cross_attn_q": residual for block, residual in residuals.items()}
    expected = {f"appearance.block_{11 - k}_cross_attn_q" for k in exchanged}
    assert set(failures(outputs)) == expected


@pytest.mark.parametrize("processor", [ResidualBeforeProjection, ResidualAfterScale, ResidualOnKey, NoResidual])
def test_a_residual_on_the_wrong_query_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor], processor: type, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(unet_patch, "AppearanceProcessor", processor)
    assert "unet.all" in failures(call_with_everything(repatched(pipeline), appearance, pose))


def test_a_residual_on_the_self_attention_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor], monkeypatch: Patch
) -> None:
    up_block = unet_patch._up_block
    monkeypatch.setattr(
        unet_patch, "_up_block", lambda name: up_block(name.replace("attn1", "attn2")) if "attn1" in name else None
    )
    assert "unet.all" in failures(call_with_everything(repatched(pipeline), appearance, pose))


def test_residuals_in_reversed_order_are_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]
) -> None:
    reversed_in_level = {block: appearance.residuals[block // 3 * 6 + 2 - block] for block in appearance.residuals}
    wrong = Appearance(appearance.prompt, reversed_in_level)
    assert "unet.all" in failures(call_with_everything(pipeline, wrong, pose))


def test_a_unet_without_the_trained_matrices_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]
) -> None:
    forgetful = repatched(pipeline)
    for name in KEY_VALUE_NAMES:
        forgetful.unet.get_parameter(name).mul_(1.01)
    assert "unet.all" in failures(call_with_everything(forgetful, appearance, pose))


def repatched(pipeline: CFLDPipeline) -> CFLDPipeline:
    """The pipeline with a U-Net of its own, patched again."""
    return CFLDPipeline(patch_unet(copy.deepcopy(pipeline.unet), {}), None, pipeline.scheduler, pipeline.cfld)
