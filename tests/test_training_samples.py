"""Training samples and the loss on them: random draws, rows of guidance, weights of timesteps, latents kept."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from cfld_modules.errors import SettingsError
from cfld_modules.guidance import ROWS
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.poses.pose_maps import pose_maps
from cfld_modules.settings import parse_settings
from cfld_modules.training import samples
from cfld_modules.training.denoiser import Denoiser
from cfld_modules.training.initial_weights import build_models
from cfld_modules.training.latents import cached_posteriors, encode_photographs, encode_posteriors, square_picture
from cfld_modules.training.loop import LoopSettings, build_accelerator
from cfld_modules.training.samples import (
    Augmentation,
    PairSamples,
    RowShares,
    cubic_timesteps,
    read_batch,
    uniform_timesteps,
)
from tests.bundled_people import training_pairs
from tests.micro_run import parsed
from tests.tiny_models import tiny_autoencoder


@pytest.fixture
def no_pictures(monkeypatch):
    """Samples of numbers alone, of which hundreds are drawn in a moment."""
    monkeypatch.setattr(samples, "square_pixels", lambda *_: torch.zeros(1))
    monkeypatch.setattr(samples, "drawn_poses", lambda *_: {})


@pytest.mark.usefixtures("no_pictures")
def test_timesteps_are_cubic_or_uniform(drawn_pairs):
    assert cubic_timesteps(np.array([0.0, 0.5, 0.9999])).tolist() == [999, 875, 0]
    assert uniform_timesteps(np.array([0.0, 0.5, 0.9999])).tolist() == [0, 500, 999]
    for kind, mean in (("cubic", 750), ("uniform", 500)):
        data = PairSamples(drawn_pairs, 32, 8, 7, Augmentation(timesteps=kind))
        timesteps = torch.cat([data[number]["timesteps"] for number in range(300)])
        assert timesteps.float().mean().item() == pytest.approx(mean, abs=40)


@pytest.fixture(scope="module")
def drawn_pairs():
    return training_pairs(people=2, pictures=2)


def test_a_sample_depends_on_its_number_alone(drawn_pairs):
    first, second = (PairSamples(drawn_pairs, 32, 8, 7, Augmentation()) for _ in range(2))
    for number in (5, 0, 3):
        second[number]
    assert all(torch.equal(first[5][name], second[5][name]) for name in first[5])
    assert not torch.equal(first[5]["noise"], first[6]["noise"])
    epoch = {first._pair(number) for number in range(len(drawn_pairs))}
    assert epoch == set(range(len(drawn_pairs)))


def test_a_sample_shows_source_and_target_and_their_poses(drawn_pairs):
    samples = PairSamples(drawn_pairs, 32, 8, 7, Augmentation(flip=0.0))
    sample, pair = read_batch(samples[1]), drawn_pairs[samples._pair(1)]
    for place, photograph in enumerate(pair):
        assert torch.equal(sample["pictures"][place], square_picture(photograph.picture(), "stretch", 64))
        assert torch.equal(sample["pose_maps"][place], pose_maps([photograph.pose()], 32)[0])
    assert torch.equal(sample["source"], square_picture(pair[0].picture(), "stretch", 32))


def test_a_sample_of_the_papers_size_is_handed_over_in_few_bytes(drawn_pairs):
    """A seventh of the 18.3 MB that its numbers are, and a megabyte where the latents are there."""
    augmentation = Augmentation()
    for posteriors, most in ((None, 2.5e6), (torch.zeros(len(drawn_pairs.photographs), 8, 64, 64), 1.15e6)):
        sample = PairSamples(drawn_pairs, 256, 64, 7, augmentation, posteriors)[0]
        assert sum(tensor.nbytes for tensor in sample.values()) < most


def test_each_pair_of_a_batch_has_its_own_condition(folder, drawn_pairs):
    """A batch's loss is the mean of its pairs' losses."""
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    model = Denoiser(cfld, unet, vae, True).eval()
    with torch.no_grad():
        for parameter in cfld.appearance_encoder.parameters():  # the zero convolutions would hide a mix-up
            parameter.add_(torch.randn_like(parameter))
        samples = [PairSamples(drawn_pairs, 32, 8, 7, Augmentation())[number] for number in range(3)]
        apart = [model(default_collate([sample]))["loss"].item() for sample in samples]
        together = model(default_collate(samples))["loss"].item()
    assert together == pytest.approx(np.mean(apart), rel=1e-5)


@pytest.mark.parametrize("loss", ["epsilon", "min_snr", "noisy"])
def test_the_loss_weighs_each_latent_by_its_own_timestep(folder, drawn_pairs, loss):
    """Each timestep alone: its error times its weight, computed here from its signal-to-noise ratio."""
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    plain, weighted = Denoiser(cfld, unet, vae, True).eval(), Denoiser(cfld, unet, vae, True, loss).eval()
    levels = plain.scheduler.alphas_cumprod
    sample = PairSamples(drawn_pairs, 32, 8, 7, Augmentation())[0]
    for timestep in (0, 300, 600, 999):
        sample["timesteps"] = torch.tensor([timestep, timestep])
        batch = default_collate([sample])
        with torch.no_grad():
            error, found = (model(batch)["loss"].item() for model in (plain, weighted))
        ratio = (levels[timestep] / (1 - levels[timestep])).item()
        weight = {"epsilon": 1.0, "min_snr": min(ratio, 5) / ratio, "noisy": min(max(1.0, 1 / ratio), 30)}[loss]
        assert found == pytest.approx(weight * error, rel=1e-5)


def test_latents_of_one_batch_have_weights_of_their_own(folder, drawn_pairs):
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    model = Denoiser(cfld, unet, vae, True, "noisy").eval()
    sample = PairSamples(drawn_pairs, 32, 8, 7, Augmentation())[0]
    losses = {}
    for timesteps in ((100, 100), (999, 999), (100, 999)):
        sample["timesteps"] = torch.tensor(timesteps)
        with torch.no_grad():
            losses[timesteps] = model(default_collate([sample]))["loss"].item()
    # The untrained U-Net's error on its noise is about the same everywhere, so a mean of weights would be seen.
    assert losses[100, 999] == pytest.approx((losses[100, 100] + losses[999, 999]) / 2, rel=0.1)


def test_only_the_picture_for_the_encoder_is_mirrored(drawn_pairs):
    plain, mirrored = (
        read_batch(PairSamples(drawn_pairs, 32, 8, 7, Augmentation(flip=flip))[0]) for flip in (0.0, 1.0)
    )
    assert torch.equal(plain["source"].flip(-1), mirrored["source"])
    assert not torch.equal(plain["source"], mirrored["source"])
    assert all(torch.equal(plain[name], mirrored[name]) for name in ("pictures", "pose_maps"))


@pytest.mark.parametrize("rows", [{"uc": 0.5, "down": 0.6}, {"cdown": -0.1}])
def test_shares_of_rows_that_cannot_be_are_refused(rows):
    with pytest.raises(SettingsError, match=r"augmentation\.rows: .* at most 1 together, got uc: "):
        parse_settings(rows, RowShares)


@pytest.mark.parametrize(
    "rows", [RowShares(), RowShares(uc=0.1, down=0.3, updown=0.15, cdown=0.25), RowShares(updown=0.0)]
)
@pytest.mark.usefixtures("no_pictures")
def test_rows_are_drawn_as_often_as_asked(drawn_pairs, rows):
    data = PairSamples(drawn_pairs, 32, 8, 7, Augmentation(rows=rows))
    given = torch.cat([data[number]["given"] for number in range(300)])
    for name, share in dataclasses.asdict(rows).items():
        row = torch.tensor(dataclasses.astuple(ROWS[name]))
        assert (given == row).all(dim=1).float().mean().item() == pytest.approx(share, abs=0.05)


def test_the_paper_drops_a_fifth_of_the_contexts_alone():
    assert Augmentation().row(0.19) == ROWS["updown"]
    assert Augmentation().row(0.2) == ROWS["full"]


@pytest.mark.parametrize("name", ["uc", "down", "updown", "cdown", "full"])
def test_a_row_in_training_is_that_row_of_guidance(folder, drawn_pairs, name):
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    model = Denoiser(cfld, unet, vae, True).eval()
    pipeline = CFLDPipeline(unet, vae, published_scheduler("ddim"), cfld)
    with torch.no_grad():
        for parameter in cfld.appearance_encoder.parameters():  # the zero convolutions would hide a mix-up
            parameter.add_(torch.randn_like(parameter))
        sample = PairSamples(drawn_pairs, 32, 8, 7, Augmentation())[1]
        sample["given"] = torch.tensor([dataclasses.astuple(ROWS[name])] * 2)
        loss = model({key: tensor[None] for key, tensor in sample.items()})["loss"].item()
        sample = read_batch(sample)
        latents = encode_posteriors(vae, sample["pictures"]) * vae.config.scaling_factor
        noisy = model.scheduler.add_noise(latents, sample["noise"], sample["timesteps"])
        appearance = cfld.encode_source(sample["source"].expand(2, -1, -1, -1))
        pose = cfld.encode_pose(sample["pose_maps"])
        predicted = pipeline.guided_epsilon(noisy, sample["timesteps"], {name: 1.0}, appearance, pose)
    assert loss == pytest.approx((predicted - sample["noise"]).square().mean().item(), rel=1e-5)


def test_latents_encoded_before_are_those_encoded_meanwhile(folder, drawn_pairs):
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    model = Denoiser(cfld, unet, vae, True).eval()
    posteriors = encode_photographs(vae, drawn_pairs.photographs, drawn_pairs.fit, 64)
    both = [PairSamples(drawn_pairs, 32, 8, 7, Augmentation(), given)[2] for given in (None, posteriors)]
    with torch.no_grad():
        values = [model({name: tensor[None] for name, tensor in sample.items()})["loss"].item() for sample in both]
    assert "pictures" not in both[1]
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_latents_are_kept_and_made_anew_for_others(folder, drawn_pairs, tmp_path):
    accelerator, file = build_accelerator(LoopSettings(1), tmp_path), tmp_path / "latents.safetensors"
    first, second = (tiny_autoencoder(), tiny_autoencoder())
    with torch.no_grad():
        second.encoder.layers[0].bias += 1
    kept = cached_posteriors(file, accelerator, first, drawn_pairs, 64)
    written = file.stat().st_mtime_ns
    assert torch.equal(cached_posteriors(file, accelerator, first, drawn_pairs, 64), kept)
    assert file.stat().st_mtime_ns == written
    assert not torch.equal(cached_posteriors(file, accelerator, second, drawn_pairs, 64), kept)
