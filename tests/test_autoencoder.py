"""The small autoencoder: how it begins, its training, and its names in the host."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file

from cfld_modules.checkpoints.taesd import taesd_state
from cfld_modules.errors import SettingsError
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.settings import parse_settings
from cfld_modules.training.autoencoder import AutoencoderSettings, PictureSamples, carry_colours
from cfld_modules.training.denoised_latents import DenoisedSamples, denoise_targets
from cfld_modules.training.latents import square_picture
from cfld_modules.training.run_settings import train
from tests.bundled_people import training_pairs
from tests.micro_run import parsed
from tests.tiny_models import tiny_autoencoder


def configuration(folder, output, **others):
    content = {
        "output": str(folder / output), "size": 64, "crop": 32,
        "data": {"format": "deepfashion", "root": str(folder / "people")},
        "training": {"steps": 2, "batch_size": 2, "sheet_every": 2},
    }
    return parse_settings(content | others, AutoencoderSettings)


def test_an_autoencoder_is_trained_and_written_for_the_host(folder):
    settings = configuration(folder, "trained autoencoder")
    train(settings)
    output = settings.output
    assert (output / "sheets" / "step-00000002.png").is_file()
    assert (output / "taesd.safetensors").stat().st_size < 5e6
    assert (output / "autoencoder" / "config.json").is_file()


def test_an_autoencoder_begins_with_colours(folder):
    torch.manual_seed(4)  # of the weights that are drawn
    autoencoder = AutoencoderTiny()
    carry_colours(autoencoder)
    colours = torch.rand(5, 3, 1, 1, generator=torch.Generator().manual_seed(7)) * 1.6 - 0.8
    with torch.no_grad():
        latents = autoencoder.encode(colours.expand(5, 3, 64, 64)).latents
        decoded = autoencoder.decode(latents).sample
    for seen in (latents[:, :3], decoded):
        assert np.corrcoef(seen[:, :, 3:5, 3:5].mean(dim=(2, 3)).flatten(), colours.flatten())[0, 1] > 0.9


def test_a_decoder_is_trained_on_the_latents_it_has(folder):
    train(configuration(folder, "trained decoder", decoder_of=str(folder / "autoencoder")))
    written = folder / "trained decoder" / "autoencoder"
    assert_only_the_decoder_differs(folder / "autoencoder", written)
    assert str(folder) not in (written / "config.json").read_text()  # where it was loaded from


def assert_only_the_decoder_differs(*folders):
    before, after = (AutoencoderTiny.from_pretrained(path).state_dict() for path in folders)
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(same[name] for name in same if name.startswith("encoder."))
    assert not any(same[name] for name in same if name.startswith("decoder."))


def test_an_autoencoder_is_trained_further(folder):
    train(configuration(folder, "trained further", autoencoder_of=str(folder / "autoencoder")))
    before, after = (
        AutoencoderTiny.from_pretrained(path).state_dict()
        for path in (folder / "autoencoder", folder / "trained further" / "autoencoder")
    )
    changes = [(after[name] - before[name]).abs().max() for name in before]
    assert all(0 < change < 0.01 for change in changes)


def test_an_autoencoder_and_a_decoder_to_begin_with_are_one_too_many(folder):
    both = dict.fromkeys(("autoencoder_of", "decoder_of"), str(folder / "autoencoder"))
    with pytest.raises(SettingsError, match="autoencoder_of: .*give one of them"):
        train(configuration(folder, "one too many", **both))


def test_a_decoder_needs_an_autoencoder(folder):
    with pytest.raises(SettingsError, match="decoder_of: .*nothing.* is no autoencoder"):
        train(configuration(folder, "unused", decoder_of=str(folder / "nothing")))


@pytest.fixture(scope="module")
def denoised(folder):
    """The setting of that name: a tiny model for pictures of 64 pixels."""
    train(parsed(folder, folder / "model", training={"steps": 1}))
    return {"base": str(folder / "model" / "base"), "cfld": str(folder / "model" / "cfld.safetensors"), "pairs": 3,
            "steps": 4}  # fmt: skip


def test_a_decoder_is_trained_on_what_a_denoiser_leaves(folder, denoised):
    settings = configuration(
        folder, "denoised decoder", decoder_of=str(folder / "autoencoder"), denoised=denoised, latent_noise=0.0
    )
    train(settings)
    kept = load_file(settings.output / "denoised.safetensors")
    assert kept["latents"].shape == (3, 4, 8, 8) and len(set(kept["pairs"].tolist())) == 3
    assert_only_the_decoder_differs(folder / "autoencoder", settings.output / "autoencoder")


def test_denoised_pieces_are_where_their_pictures_are(folder):
    """Of latents that say, in each place, what the picture shows there."""
    pairs = configuration(folder, "unused").data.pairs("train")
    pictures = torch.stack([square_picture(target.picture(), pairs.fit, 64) for _, target in pairs])
    latents = torch.nn.functional.avg_pool2d(pictures, 8)
    samples = DenoisedSamples(pairs, {"pairs": torch.arange(len(pairs)), "latents": latents}, 64, 32, seed=7)
    pieces = [samples[number] for number in range(8)]
    assert len({piece["picture"].numpy().tobytes() for piece in pieces}) > 4
    for piece in pieces:
        averages = torch.nn.functional.avg_pool2d(piece["picture"], 8)
        torch.testing.assert_close(averages, piece["latents"])


def test_a_denoiser_that_knows_the_noise_takes_it_away(folder, denoised, monkeypatch):
    pipeline = load_pipeline(Path(denoised["base"]), Path(denoised["cfld"]), "ddim")
    pairs = configuration(folder, "unused").data.pairs("train")
    pictures = torch.stack([square_picture(pairs[number][1].picture(), pairs.fit, 64) for number in (0, 1)])
    clean = pipeline.vae.encode(pictures).latents.detach()
    seen = []

    levels = pipeline.scheduler.alphas_cumprod

    def noise_in(latents, timestep):
        return (latents - levels[timestep].sqrt() * clean) / (1 - levels[timestep]).sqrt()

    def known_noise(latents, timestep, weights, appearance, pose):
        seen.append((int(timestep), latents))
        return noise_in(latents, timestep)

    monkeypatch.setattr(pipeline, "guided_epsilon", known_noise)
    firsts = set()
    for seed in range(6):
        seen.clear()
        generator = torch.Generator().manual_seed(seed)
        latents = denoise_targets(pipeline, [pairs[0], pairs[1]], pairs.fit, 5, generator)
        first, noisy = seen[0]
        assert [timestep for timestep, _ in seen] == list(range(first, 0, -200))
        noise = noise_in(noisy, first)
        assert noise.std() == pytest.approx(1, abs=0.1)
        rest = levels[0].sqrt() * clean + (1 - levels[0]).sqrt() * noise  # the schedule's last level is not none
        torch.testing.assert_close(latents, rest, atol=1e-4, rtol=0)
        firsts.add(first)
    assert firsts == {601, 401, 201}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder_of": None}, "denoised: .*say by decoder_of which"),
        ({"size": 32}, "denoised.cfld: is for pictures of 64 pixels, but size is 32"),
        ({"decoder_of": "another"}, "denoised.base: .* has another encoder than decoder_of"),
    ],
)
def test_what_cannot_be_denoised_is_refused(folder, denoised, change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    AutoencoderTiny().save_pretrained("another")
    others = {"decoder_of": str(folder / "autoencoder"), "denoised": denoised} | change
    with pytest.raises(SettingsError, match=message):
        train(configuration(folder, tmp_path / "refused", **others))


def test_crops_are_cut_out_of_the_pictures():
    drawn_pairs = training_pairs(people=2, pictures=2)
    whole, cut = (PictureSamples(drawn_pairs, 64, crop, seed=7)[3]["picture"] for crop in (64, 32))
    patches = [side.unfold(1, 32, 1).unfold(2, 32, 1) for side in (whole, whole.flip(-1))]  # (3, top, left, 32, 32)
    assert any((patch == cut[:, None, None]).all(dim=(0, 3, 4)).any() for patch in patches)


def test_a_state_for_comfyui_has_the_names_of_its_taesd():
    names = set(taesd_state(tiny_autoencoder().state_dict()))
    assert {"taesd_encoder.0.weight", "taesd_encoder.1.conv.0.weight", "taesd_encoder.14.bias"} <= names
    assert {"taesd_decoder.1.weight", "taesd_decoder.3.conv.4.bias", "taesd_decoder.18.conv.0.weight"} <= names
    assert len(names) == len(tiny_autoencoder().state_dict()) + 2
