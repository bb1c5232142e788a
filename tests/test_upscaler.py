"""The demo model's upscaler: how it begins, its training, and what it does to people that no training has seen."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file

from cfld_modules.demo_model import UPSCALER_FILE
from cfld_modules.demo_people import PEOPLE, POSES, demo_photo
from cfld_modules.errors import SettingsError
from cfld_modules.evaluation.models import load_upscaler
from cfld_modules.networks.compact import Compact
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline, finish_pictures
from cfld_modules.settings import parse_settings
from cfld_modules.training.latents import square_pixels
from cfld_modules.training.run_settings import train
from cfld_modules.training.upscaler import UpscalerSettings, halved
from tests.tiny_models import tiny_autoencoder

WALL = (slice(None), slice(8, 40), slice(8, 40))


@pytest.mark.parametrize("scale", [2, 3])
def test_an_upscaler_begins_as_bicubic_interpolation_but_for_the_border(scale):
    pictures = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        upscaled = Compact(scale=scale)(pictures)
    bicubic = functional.interpolate(pictures, scale_factor=scale, mode="bicubic")
    inside = (..., slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    torch.testing.assert_close(upscaled[inside], bicubic[inside])


def settings(folder, **changes):
    content = {
        "output": str(folder / "upscaler"), "size": 64, "crop": 32,
        "data": {"format": "deepfashion", "root": str(folder / "people")},
        "training": {"steps": 2, "batch_size": 2, "sheet_every": 2},
    }
    return parse_settings(content | changes, UpscalerSettings)


def test_an_upscaler_is_trained_and_written(folder):
    train(settings(folder))
    state = load_file(folder / "upscaler" / "upscaler.safetensors")
    Compact().load_state_dict(state)
    assert (folder / "upscaler" / "sheets" / "step-00000002.png").is_file()


@pytest.mark.parametrize("sides", [{"size": 63}, {"crop": 31}, {"crop": 66}])
def test_sides_that_cannot_be_halved_are_refused(folder, tmp_path, sides):
    with pytest.raises(SettingsError, match="crop and size: must be even"):
        train(settings(folder, output=str(tmp_path), **sides))


def test_decode_with_an_upscaler_shrinks_its_larger_picture():
    latents = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    part, upscaler = SimpleNamespace(vae=tiny_autoencoder()), load_upscaler(UPSCALER_FILE)
    decoded = part.vae.decode(latents / part.vae.config.scaling_factor).sample
    larger = upscaler((decoded / 2 + 0.5).clamp(0, 1)) * 2 - 1
    upscaled, plain = (CFLDPipeline.decode(part, latents, 36, 52, way) for way in (upscaler, None))
    assert (upscaled == finish_pictures(larger, 36, 52)).all() and (upscaled != plain).any()


@pytest.mark.parametrize("blur", [0.0, 1.2])
def test_the_demo_model_s_upscaler_is_nearer_to_the_truth_than_bicubic_interpolation(blur):
    upscaler = load_upscaler(UPSCALER_FILE)
    photos = [demo_photo(person, (person + 1) % POSES).image for person in range(PEOPLE)]
    truths = torch.stack([square_pixels(photo, "pad", 384) / 255 for photo in photos])
    small = torch.stack([halved(truth, blur) for truth in truths])
    upscaled = upscaler(small)
    bicubic = functional.interpolate(small, scale_factor=2, mode="bicubic")
    assert (upscaled - truths).abs().mean() < 0.9 * (bicubic - truths).abs().mean()
    for result, truth in zip(upscaled, truths, strict=True):
        assert (result[WALL].mean((1, 2)) - truth[WALL].mean((1, 2))).abs().max() < 1.5 / 255
