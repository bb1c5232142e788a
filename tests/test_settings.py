"""Configuration files of training: what is read, what is refused by its key, and those that come along."""

import tempfile
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from cfld_modules.errors import SettingsError
from cfld_modules.networks.config import CFLDConfig
from cfld_modules.pipeline.base_model import sd15_unet_config
from cfld_modules.settings import parse_settings, plain_settings, read_settings
from cfld_modules.training.autoencoder import AutoencoderSettings
from cfld_modules.training.distil import DistilSettings
from cfld_modules.training.lifter import LifterSettings
from cfld_modules.training.loop import LoopSettings
from cfld_modules.training.train import TrainSettings
from cfld_modules.training.upscaler import UpscalerSettings
from tests.micro_run import configuration, parsed

ROOT = Path(__file__).parent.parent


PIECES = ["output: ", "{", "[", "- ", "&a ", "*a", "\n", "!!int x", "!!timestamp x", "2020-99-99", "? ", '"\\0"']


@hypothesis.settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join).map(str.encode))
@example(b"[" * 5000)
@example(b"output: !!timestamp x")
@example(b"data: {format: [1]}\noutput: x")
@example(b"training: {steps: 1, learning_rate: 1" + b"0" * 400 + b"}")
@example(b'output: "\\0"')
@example(b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [%s]\n" % (n + 1, n + 1, b"*a%d," % n * 9) for n in range(30))
         + b"training: {steps: *a30}")
def test_whatever_the_bytes_of_a_configuration_one_error_comes_out(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.yaml")
        file.write_bytes(content)
        with pytest.raises(SettingsError) as raised:
            read_settings(file, TrainSettings, ["training.workers=0"])
        assert len(str(raised.value)) < 700 + len(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainning": {}}, "trainning: no such setting; is training meant"),
        ({"training": {"steps": "many"}}, "training.steps: expected a whole number, got 'many'"),
        ({"training": {}}, "training.steps: this setting is missing"),
        *[({"training": {"steps": 8} | {name: value}}, f"training.{name}: {value!r} is out of bounds; give a")
          for name, value in [
              ("steps", 0), ("steps", -3), ("batch_size", 0), ("batch_size", 10**12), ("learning_rate", 0.0),
              ("learning_rate", float("nan")), ("learning_rate", float("inf")), ("warmup_steps", -1), ("drop_at", -1),
              ("ema_decay", 1.0), ("ema_decay", -0.1), ("max_grad_norm", 0.0), ("seed", -1), ("seed", 2**63),
              ("gradient_accumulation", 0), ("workers", -1), ("checkpoint_every", 0), ("keep_checkpoints", 0),
              ("sheet_every", -1),
          ]],
        ({"augmentation": {"flip": 1.5}}, "augmentation.flip: 1.5 is out of bounds; give a number from 0 to 1"),
        ({"model": {"unet_widths": [32, 0, 32, 32]}}, r"model.unet_widths\[1\]: 0 is out of bounds; .*multiple of 32"),
        ({"data": {"format": "imagenet"}}, "data.format: 'imagenet' is none of deepfashion"),
        ({"export_dtype": "fp8"}, "export_dtype: 'fp8' is none of 'fp32', 'fp16'"),
        ({"model": {"cfld": {"source": {"depths": [1, "2"]}}}}, r"model.cfld.source.depths\[1\]: expected a whole"),
    ],
)
def test_a_mistake_in_the_settings_names_the_key(folder, change, message):
    with pytest.raises(SettingsError, match=message):
        parse_settings(configuration(folder, "unused") | change, TrainSettings)


def test_settings_written_as_yaml_read_back_the_same(folder):
    settings = parsed(folder, folder / "unused")
    assert parse_settings(yaml.safe_load(yaml.safe_dump(plain_settings(settings))), TrainSettings) == settings
    assert parse_settings(yaml.safe_load("{steps: 3, learning_rate: 1e-4}"), LoopSettings).learning_rate == 1e-4
    assert parse_settings(yaml.safe_load("{steps: 3, mixed_precision: no}"), LoopSettings).mixed_precision == "no"


@pytest.mark.parametrize("file", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda file: file.name)
def test_the_configurations_that_come_along_are_valid(file):
    kinds = {
        "coder": AutoencoderSettings, "distil": DistilSettings, "lora": DistilSettings, "lifter": LifterSettings,
        "upscaler": UpscalerSettings,
    }
    read_settings(file, next((kind for word, kind in kinds.items() if word in file.name), TrainSettings))


def test_set_options_change_only_the_settings_they_name():
    changes = ["training.steps=7", "model.cfld.hga=false", "output=elsewhere", "augmentation.flip=0"]
    settings = read_settings(ROOT / "configs/demo/2_model.yaml", TrainSettings, changes)
    assert (settings.training.steps, settings.model.cfld.hga, settings.output) == (7, False, Path("elsewhere"))
    assert settings.augmentation.flip == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.steps", "'training.steps' changes no setting"), ("output.steps=1", "'output.steps=1' changes no"),
        ("training.setps=1", "training.setps: no such setting; is steps meant"), ("training.steps=[", "changes no"),
        ("training.steps=many", "training.steps: expected a whole number, got 'many'"),
    ],
)
def test_a_change_that_is_none_is_an_error(change, message):
    with pytest.raises(SettingsError, match=message.replace("[", r"\[")):
        read_settings(ROOT / "configs/demo/2_model.yaml", TrainSettings, [change])


def test_the_paper_s_configuration_is_the_default():
    settings = read_settings(ROOT / "configs" / "deepfashion.yaml", TrainSettings)
    assert settings.model.cfld == CFLDConfig()
    assert sd15_unet_config()["block_out_channels"][:3] == settings.model.cfld.pose.widths
