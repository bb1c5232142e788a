"""What training starts from."""

from dataclasses import replace

import pytest
import torch

from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, Checkpoint, save_checkpoint
from cfld_modules.errors import CheckpointError, SettingsError
from cfld_modules.pipeline.base_model import load_base_model
from cfld_modules.settings import parse_settings
from cfld_modules.training.initial_weights import build_models, load_backbone
from cfld_modules.training.train import TrainSettings
from tests.micro_run import MICRO_CFLD, configuration, parsed


def test_a_published_swin_is_put_in_with_its_tables_resized(folder, tmp_path):
    cfld, _, _ = build_models(parsed(folder, folder / "unused").model)
    state = {name: torch.randn_like(tensor) for name, tensor in cfld.backbone.state_dict().items()}
    table = "layers.0.blocks.0.attn.relative_position_bias_table"
    small = torch.arange(9.0).reshape(9, 1)  # 3x3 offsets, a plane that bicubic resizing keeps in its middle
    torch.save({"model": state | {table: small, "head.weight": torch.zeros(2)}}, tmp_path / "swin.pth")
    load_backbone(cfld.backbone, tmp_path / "swin.pth")
    own = cfld.backbone.state_dict()
    assert own[table].shape == (49, 1)
    assert own[table][24].item() == pytest.approx(4.0)
    name = "layers.1.blocks.0.mlp.fc1.weight"
    assert torch.equal(own[name], state[name])
    torch.save({"model": {}}, tmp_path / "swin.pth")
    with pytest.raises(CheckpointError, match="is no Swin of these sizes"):
        load_backbone(cfld.backbone, tmp_path / "swin.pth")


def test_the_swin_of_a_trained_cfld_is_put_in(folder, tmp_path):
    model = parsed(folder, folder / "unused").model
    trained, unet, _ = build_models(model)
    key_values = {name: unet.get_parameter(name) for name in KEY_VALUE_NAMES}
    save_checkpoint(tmp_path / "cfld.safetensors", Checkpoint(trained.config, trained.state_dict(), key_values))
    ablated = replace(model.cfld, context="swin")
    started, _, _ = build_models(replace(model, backbone=tmp_path / "cfld.safetensors", cfld=ablated))
    for name, tensor in trained.backbone.state_dict().items():
        assert torch.equal(started.backbone.state_dict()[name], tensor)
    with pytest.raises(SettingsError, match="leave out one of the two"):
        build_models(replace(model, backbone=tmp_path / "cfld.safetensors", checkpoint=tmp_path / "cfld.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unet_widths": [32, 64, 64, 64]}, "appearance.output_widths: .* does not fit the U-Net"),
        ({"train_unet": "key_values"}, "must be trained whole"),
        ({"autoencoder": "nowhere"}, "'nowhere' is none"),
        ({"base": "somewhere"}, "leave out unet_widths"),
        ({"cfld": MICRO_CFLD | {"decoder": MICRO_CFLD["decoder"] | {"heads": 8}}}, "would be read back"),
    ],
)
def test_models_that_do_not_fit_together(folder, change, message):
    content = configuration(folder, "unused")
    content["model"] |= change
    with pytest.raises(SettingsError, match=message):
        build_models(parse_settings(content, TrainSettings).model)


def test_a_trained_model_is_trained_further(folder, tmp_path):
    cfld, unet, vae = build_models(parsed(folder, "unused").model)
    key_values = {name: torch.randn_like(unet.get_parameter(name)) for name in KEY_VALUE_NAMES}
    save_checkpoint(tmp_path / "cfld.safetensors", Checkpoint(cfld.config, cfld.state_dict(), key_values))
    for part, module in (("unet", unet), ("vae", vae)):
        module.save_pretrained(tmp_path / "base" / part)
    further = {
        "base": str(tmp_path / "base"), "checkpoint": str(tmp_path / "cfld.safetensors"), "cfld": MICRO_CFLD,
    }  # fmt: skip
    started, started_unet, _ = build_models(parsed(folder, "unused", model=further).model)
    for name, tensor in cfld.state_dict().items():
        assert torch.equal(started.state_dict()[name], tensor)
    expected = {**load_base_model(tmp_path / "base")[0].state_dict(), **key_values}
    for name, tensor in started_unet.state_dict().items():
        assert torch.equal(tensor, expected[name])
    ablated = further | {"cfld": MICRO_CFLD | {"hga": False}}
    with pytest.raises(SettingsError, match="does not have the sizes of model.cfld"):
        build_models(parsed(folder, "unused", model=ablated).model)


@pytest.mark.parametrize("content", [b"", b"x", [1, 2], {"model": 3}, {1: torch.zeros(1)}, {"model": {"a": "b"}}])
def test_a_backbone_that_is_none_is_named(folder, tmp_path, content):
    file = tmp_path / "swin.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    cfld, _, _ = build_models(parsed(folder, folder / "unused").model)
    with pytest.raises(CheckpointError, match="'swin.pth'"):
        load_backbone(cfld.backbone, file)
