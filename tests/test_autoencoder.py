"""The small autoencoder: how it begins, its training, and its names in the host."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from cfld_modules.data.drawn_pairs import MannequinData
from cfld_modules.taesd import taesd_state
from cfld_modules.training.autoencoder import AutoencoderSettings, PictureSamples, carry_colours, train_autoencoder
from cfld_modules.training.settings import SettingsError, parse_settings
from tests.golden import tiny_autoencoder


def configuration(folder, output, **others):
    content = {
        "output": str(folder / output), "size": 64, "crop": 32,
        "data": {"format": "deepfashion", "root": str(folder / "mannequins")},
        "training": {"steps": 2, "batch_size": 2, "sheet_every": 2},
    }
    return parse_settings(content | others, AutoencoderSettings)


def test_an_autoencoder_is_trained_and_written_for_the_host(folder):
    settings = configuration(folder, "trained autoencoder")
    train_autoencoder(settings)
    output = settings.output
    assert (output / "sheets" / "step-00000002.png").is_file()
    assert (output / "taesd.safetensors").stat().st_size < 5e6
    assert (output / "autoencoder" / "config.json").is_file()


def test_an_autoencoder_begins_with_colours(folder):
    autoencoder = AutoencoderTiny()
    carry_colours(autoencoder)
    colours = torch.rand(5, 3, 1, 1, generator=torch.Generator().manual_seed(7)) * 1.6 - 0.8
    with torch.no_grad():
        latents = autoencoder.encode(colours.expand(5, 3, 64, 64)).latents
        decoded = autoencoder.decode(latents).sample
    for seen in (latents[:, :3], decoded):
        assert np.corrcoef(seen[:, :, 3:5, 3:5].mean(dim=(2, 3)).flatten(), colours.flatten())[0, 1] > 0.9


def test_a_decoder_is_trained_on_the_latents_it_has(folder):
    train_autoencoder(configuration(folder, "trained decoder", decoder_of=str(folder / "autoencoder")))
    before, after = (
        AutoencoderTiny.from_pretrained(path).state_dict()
        for path in (folder / "autoencoder", folder / "trained decoder" / "autoencoder")
    )
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(same[name] for name in same if name.startswith("encoder."))
    assert not any(same[name] for name in same if name.startswith("decoder."))


def test_a_decoder_needs_an_autoencoder(folder):
    with pytest.raises(SettingsError, match="decoder_of: .*nothing.* is no autoencoder"):
        train_autoencoder(configuration(folder, "unused", decoder_of=str(folder / "nothing")))


def test_crops_are_cut_out_of_the_pictures():
    drawn_pairs = MannequinData("mannequins", people=2, pictures=2).pairs("train")
    whole, cut = (PictureSamples(drawn_pairs, 64, crop, seed=7)[3]["picture"] for crop in (64, 32))
    patches = [side.unfold(1, 32, 1).unfold(2, 32, 1) for side in (whole, whole.flip(-1))]  # (3, top, left, 32, 32)
    assert any((patch == cut[:, None, None]).all(dim=(0, 3, 4)).any() for patch in patches)


def test_taesd_names():
    names = set(taesd_state(tiny_autoencoder()))
    assert {"taesd_encoder.0.weight", "taesd_encoder.1.conv.0.weight", "taesd_encoder.14.bias"} <= names
    assert {"taesd_decoder.1.weight", "taesd_decoder.3.conv.4.bias", "taesd_decoder.18.conv.0.weight"} <= names
    assert len(names) == len(tiny_autoencoder().state_dict()) + 2
