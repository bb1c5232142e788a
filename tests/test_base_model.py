"""Stable Diffusion 1.5 is the same from a diffusers folder and from a single file; anything else is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import save_file

from cfld_modules.errors import CheckpointError
from cfld_modules.pipeline.base_model import load_base_model
from cfld_modules.pipeline.unet_patch import patch_unet
from tests import golden, tiny_models
from tests.ldm_layout import ldm_state, write_ldm_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.write_base_folder(tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sd15") / "sd15.safetensors"
    return write_ldm_file(path, tiny_models.tiny_unet(), tiny_models.tiny_vae())


def assert_tiny(unet: UNet2DConditionModel, vae: AutoencoderKL, dtype: torch.dtype = torch.float32) -> None:
    for module, original in ((unet, tiny_models.tiny_unet()), (vae, tiny_models.tiny_vae())):
        state, expected = module.state_dict(), original.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name].to(dtype)) for name in state)
        assert not any(parameter.requires_grad for parameter in module.parameters()) and not module.training
    assert vae.config.scaling_factor == 0.18215


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_folder_and_a_file_hold_the_same(folder: Path, file: Path, dtype: torch.dtype) -> None:
    assert_tiny(*load_base_model(folder, dtype), dtype)
    assert_tiny(*load_base_model(file, dtype), dtype)


def test_a_ckpt_of_a_training_framework(tmp_path: Path) -> None:
    file = write_ldm_file(tmp_path / "v1-5.ckpt", tiny_models.tiny_unet(), tiny_models.tiny_vae())
    assert_tiny(*load_base_model(file))


def test_both_forms_compute_the_same(folder: Path, file: Path) -> None:
    """Settings that no tensor shows (heads, norms) are the same as well."""
    latents, context = golden.input_tensor("noise", (1, 4, 16, 16)), golden.input_tensor("context", (1, 16, 64))
    outputs = []
    for path in (folder, file):
        unet, vae = load_base_model(path)
        outputs.append((unet(latents, 500, context).sample, vae.decode(latents).sample))
    for from_folder, from_file in zip(*outputs, strict=True):
        torch.testing.assert_close(from_folder, from_file, rtol=0, atol=1e-5)


def test_a_base_folder_with_taesd_loads_the_tiny_autoencoder(tmp_path: Path) -> None:
    tiny_models.write_base_folder(tmp_path, tiny_models.tiny_autoencoder())
    assert isinstance(load_base_model(tmp_path)[1], AutoencoderTiny)


def test_patching_leaves_the_file_alone(file: Path) -> None:
    unet, vae = load_base_model(file)
    patch_unet(unet, {name: torch.zeros_like(tensor) for name, tensor in golden.key_values().items()})
    name = min(golden.key_values())
    assert not unet.get_parameter(name).any()
    assert_tiny(*load_base_model(file))


# What is not SD 1.5


def refused(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_base_model(path)


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "none.safetensors' does not exist; give a diffusers folder")


def test_a_folder_that_is_something_else(tmp_path: Path) -> None:
    refused(tmp_path, "has no unet/config.json")


@pytest.mark.parametrize(("part", "other"), [("unet", "FluxTransformer2DModel"), ("vae", "AutoencoderKLWan")])
def test_a_folder_with_other_networks(folder: Path, tmp_path: Path, part: str, other: str) -> None:
    for name in ("unet", "vae"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / part).unlink()
    (tmp_path / part).mkdir()
    (tmp_path / part / "config.json").write_text(json.dumps({"_class_name": other}))
    refused(tmp_path, f"the {part} in .* is a {other}, not a ")


def test_a_folder_without_its_weights(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vae").symlink_to(folder / "vae")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text((folder / "unet" / "config.json").read_text())
    refused(tmp_path, "the unet in .* cannot be read")


def test_a_file_of_another_model(tmp_path: Path) -> None:
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)}, tmp_path / "sdxl.safetensors")
    refused(tmp_path / "sdxl.safetensors", "'sdxl.safetensors' has no tensor .*input_blocks.1.0.* not Stable Diffusion")


def test_a_file_without_a_vae(tmp_path: Path) -> None:
    state = ldm_state(tiny_models.tiny_unet(), tiny_models.tiny_vae())
    unet = {name: tensor for name, tensor in state.items() if name.startswith("model.")}
    save_file(unet, tmp_path / "unet.safetensors")
    refused(tmp_path / "unet.safetensors", "has no tensor 'first_stage_model.* give a full SD 1.5 checkpoint")


def test_a_file_for_inpainting_is_refused(tmp_path: Path) -> None:
    state = ldm_state(tiny_models.tiny_unet(), tiny_models.tiny_vae())
    state["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(64, 9, 3, 3)
    save_file(state, tmp_path / "inpainting.safetensors")
    refused(tmp_path / "inpainting.safetensors", "'inpainting.safetensors' is not built like .* not one for inpainting")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    for name in ("x.safetensors", "x.ckpt"):
        (tmp_path / name).write_bytes(b"no model")
        refused(tmp_path / name, f"'{name}' is damaged")


def test_a_unet_of_another_shape_cannot_be_patched() -> None:
    unet = tiny_models.empty_unet()
    name = min(golden.key_values())
    with pytest.raises(CheckpointError, match="this CFLD checkpoint's .* give the Stable Diffusion 1.5"):
        patch_unet(unet, {name: torch.zeros(1, 1)})
    with pytest.raises(CheckpointError, match="the base model has no 'up_blocks.9.weight'"):
        patch_unet(unet, {"up_blocks.9.weight": torch.zeros(1)})


@pytest.mark.parametrize("part", ["unet", "vae"])
@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 5000, b"[]", b'{"_class_name": ["x"]}', None])
def test_a_broken_folder_is_named(tmp_path, part, content):
    """None: a file of weights cut off."""
    folder = tiny_models.write_base_folder(tmp_path)
    if content is None:
        file = folder / part / "diffusion_pytorch_model.safetensors"
        file.write_bytes(file.read_bytes()[:1000])
    else:
        (folder / part / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=part):
        load_base_model(folder)


@pytest.mark.parametrize(
    "sizes", [{"block_out_channels": [3, 5, 7, 9]}, {"block_out_channels": 7}, {"in_channels": "x"}]
)
def test_a_folder_whose_sizes_do_not_fit_is_named(tmp_path, sizes):
    file = tiny_models.write_base_folder(tmp_path) / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | sizes))
    with pytest.raises(CheckpointError, match="the unet in .* cannot be read"):
        load_base_model(tmp_path)
