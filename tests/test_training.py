"""Training on a micro configuration: a U-Net of width 32 on 8x8 latents, bundled people, an untrained autoencoder."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, load_checkpoint
from cfld_modules.errors import CheckpointError, SettingsError
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.settings import parse_settings
from cfld_modules.training import run_checkpoints
from cfld_modules.training.denoiser import Denoiser
from cfld_modules.training.initial_weights import build_models
from cfld_modules.training.loop import LoopSettings, build_accelerator, learning_rate_factor, run_training
from cfld_modules.training.run_settings import sole_trainer, train
from cfld_modules.training.samples import Augmentation, PairSamples, read_batch
from cfld_modules.training.train import DenoisingTask, TrainSettings
from tests.bundled_people import training_pairs
from tests.micro_run import MICRO_CFLD, STEPS, configuration, losses, parsed

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def whole_run(folder):
    """An uninterrupted run's settings."""
    settings = parsed(folder, folder / "whole")
    train(settings)
    return settings


def test_training_a_few_steps_lowers_the_loss(whole_run):
    values = list(losses(whole_run.output).values())
    assert len(values) == STEPS
    assert np.mean(values[-4:]) < 0.8 * np.mean(values[:2])


def test_a_resumed_run_equals_an_uninterrupted_one(folder, whole_run, monkeypatch):
    """Broken off in step 9, so from the checkpoint of step 6 on."""
    settings = parsed(folder, folder / "broken")
    reading = PairSamples.__getitem__

    def break_off(samples, number):
        if number >= 2 * 8:
            raise KeyboardInterrupt
        return reading(samples, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PairSamples, "__getitem__", break_off)
        train(settings)
    assert max(losses(settings.output)) in (7, 8)
    longer = dataclasses.replace(settings.training, steps=12)
    train(dataclasses.replace(settings, training=longer))
    expected = losses(whole_run.output)
    for step, loss in losses(settings.output).items():
        assert loss == pytest.approx(expected[step], abs=1e-5), f"step {step}"
    assert max(losses(settings.output)) == 12


def test_only_the_latest_checkpoints_stay(whole_run):
    names = [path.name for path in sorted((whole_run.output / "checkpoints").iterdir())]
    assert names == ["step-00000012", "step-00000016"]


def test_an_interrupted_write_leaves_the_previous_checkpoint_whole(folder, whole_run, monkeypatch):
    settings = parsed(folder, folder / "torn", {"steps": 2, "checkpoint_every": 1})
    writing, calls = run_checkpoints.write_tensors, []

    def tear(file, tensors):
        if file.name == "optimizer.safetensors":
            calls.append(file)
        writing(file, tensors)
        if len(calls) == 2:
            content = Path(file).read_bytes()
            Path(file).write_bytes(content[: len(content) // 2])
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_checkpoints, "write_tensors", tear)
        train(settings)
    checkpoints = run_checkpoints.RunCheckpoints(settings.output / "checkpoints", 2)
    assert [path.name for path in checkpoints.finished()] == ["step-00000001"]
    train(settings)
    assert [path.name for path in checkpoints.finished()] == ["step-00000001", "step-00000002"]
    assert not list(checkpoints.folder.glob("*.part"))
    assert losses(settings.output)[2] == pytest.approx(losses(whole_run.output)[2], abs=1e-5)


@pytest.mark.parametrize(("latent_side", "exported_side"), [(None, 8), (16, 16)])
def test_the_export_gives_the_same_latents_at_the_size_trained_on(folder, latent_side, exported_side):
    output = folder / f"exported at {exported_side}"
    training = {"steps": 1, "ema_decay": 0.5, "sheet_every": 1}
    settings = parsed(folder, output, training, latent_side=latent_side)
    accelerator = build_accelerator(settings.training, settings.output)
    task = DenoisingTask(settings, accelerator)
    run_training(accelerator, settings.training, settings.output, task)
    with torch.no_grad():  # the export is of the running mean; make it of what is in memory
        task.model.cfld.learnable_vector.add_(0.1)
    task.export()
    trained = CFLDPipeline(
        task.model.unet.eval(), task.model.vae.eval(), published_scheduler("ddim"), task.model.cfld.eval()
    )
    exported = load_pipeline(settings.output / "base", settings.output / "cfld.safetensors", "ddim")
    read_back = load_checkpoint(settings.output / "cfld.safetensors").config
    assert dataclasses.replace(read_back, source=settings.model.cfld.source) == settings.model.cfld
    assert exported.latent_side == exported_side
    latents = [sample_latents(pipeline, task) for pipeline in (trained, exported)]
    assert latents[0].shape == (1, 4, exported_side, exported_side)
    assert (latents[0] - latents[1]).abs().max() < 1e-4  # equal weights, but not at the same places in memory
    assert latents[0].std() > 0.1
    for file in (settings.output / "base").glob("*/config.json"):
        assert "_name_or_path" not in json.loads(file.read_text())
    others = (folder / "people" / "fasion-resize-pairs-train.csv").stat().st_mode
    assert all(file.stat().st_mode == others for file in (settings.output / "base").rglob("*.*")), "others can read it"
    assert (settings.output / "sheets" / "step-00000001.png").is_file()


def sample_latents(pipeline, task):
    sample = read_batch(task.data[0])
    with torch.no_grad():
        appearance = pipeline.cfld.encode_source(sample["source"][None])
        pose = pipeline.cfld.encode_pose(sample["pose_maps"][1:])
    return pipeline.denoise(sample["noise"][:1], appearance, pose, steps=2)


@pytest.mark.parametrize("train_unet", ["key_values", "all"])
def test_what_is_trained_and_what_is_frozen(folder, train_unet):
    settings = parsed(folder, folder / "unused").model
    cfld, unet, vae = build_models(settings)
    model = Denoiser(cfld, unet, vae, train_unet == "all").train()
    pairs = training_pairs(people=1, pictures=2)
    sample = PairSamples(pairs, 32, 8, 0, Augmentation())[0]
    model({name: tensor[None] for name, tensor in sample.items()})["loss"].backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    expected = {f"cfld.{name}" for name, _ in cfld.named_parameters()}
    if train_unet == "all":
        expected |= {f"unet.{name}" for name, _ in unet.named_parameters()}
    else:
        expected |= {f"unet.{name}" for name in KEY_VALUE_NAMES}
    assert with_gradient == expected


def test_accumulated_gradients_are_those_of_the_whole_batch(folder, whole_run):
    accumulated = parsed(folder, folder / "accumulated", {"steps": 2, "batch_size": 1, "gradient_accumulation": 2})
    train(accumulated)
    once = losses(whole_run.output)
    # Stochastic depth differs; it is a tenth of a share of a network that is only about to be noticed.
    assert losses(accumulated.output) == pytest.approx({step: once[step] for step in (1, 2)}, abs=1e-3)


def test_gradients_are_as_long_as_max_grad_norm_at_most_and_as_they_are_without(folder, whole_run):
    clipped = parsed(folder, folder / "clipped", {"steps": 1, "max_grad_norm": 1e-3})
    train(clipped)
    moments = load_file(clipped.output / "checkpoints" / "step-00000001" / "optimizer.safetensors")
    gradient = torch.cat([tensor.flatten() for name, tensor in moments.items() if name.endswith(".exp_avg")]) * 10
    assert gradient.norm().item() == pytest.approx(1e-3, rel=1e-2)
    assert LoopSettings(steps=1).max_grad_norm is None, "the paper's"


class Planted:
    """Pickled, it makes a file when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_checkpoint_of_somebody_else_runs_no_code(folder):
    settings = parsed(folder, folder / "planted", {"steps": 1, "checkpoint_every": 1})
    train(settings)
    checkpoint, proof = settings.output / "checkpoints" / "step-00000001", folder / "code was run"
    names = {path.name for path in checkpoint.iterdir()}
    assert names == {"trained.safetensors", "optimizer.safetensors", "run.json"}, "tensors and numbers alone"
    for name in ("custom_checkpoint_0.pkl", "random_states_0.pkl", "optimizer.bin", "scaler.pt", "scheduler.bin"):
        torch.save(Planted(proof), checkpoint / name)
    train(dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=2)))
    assert not proof.exists()


def test_a_second_training_into_one_folder_is_told(folder, whole_run):
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom pathlib import Path\n"
         "from cfld_modules.training.run_settings import sole_trainer\n"
         "with sole_trainer(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()", str(whole_run.output)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match="another process trains into .*whole'; wait for it, or give another"):
            train(whole_run)
    finally:
        holder.kill()
        holder.communicate()
    with sole_trainer(whole_run.output):
        pass  # a killed one holds nothing


@pytest.mark.parametrize(("ablation", "tokens"), [({"context": "swin"}, 1), ({"hga": False}, 4)])
def test_ablations_train_and_are_evaluated_but_are_no_checkpoints(folder, ablation, tokens):
    content = configuration(folder, folder / str(ablation), {"steps": 1})
    content["model"] |= {"cfld": MICRO_CFLD | ablation}
    settings = parse_settings(content, TrainSettings)
    train(settings)
    file = settings.output / "cfld.safetensors"
    with pytest.raises(CheckpointError):
        load_checkpoint(file)
    pipeline = load_pipeline(settings.output / "base", file)
    appearance = pipeline.cfld.encode_source(torch.zeros(1, 3, 32, 32))
    assert appearance.prompt.shape == (1, tokens, 32)
    assert bool(appearance.residuals) == settings.model.cfld.hga


def test_a_run_is_continued_only_as_it_was_begun(folder, whole_run):
    changed = parsed(folder, whole_run.output, {"learning_rate": 1e-5})
    with pytest.raises(SettingsError, match="another training.learning_rate;"):
        train(changed)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[", b"output: 3\n", b"&a {output: *a}"])
def test_a_broken_record_of_a_run_is_named(folder, tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match="config.yaml'.*give another output"):
        train(parsed(folder, tmp_path))
    assert (tmp_path / "config.yaml").read_bytes() == content


def test_a_damaged_checkpoint_falls_back_to_the_one_before(folder, whole_run, caplog):
    settings = parsed(folder, folder / "damaged", {"steps": 4, "checkpoint_every": 2})
    train(settings)
    checkpoints = settings.output / "checkpoints"
    longer = dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=6))
    torn = checkpoints / "step-00000004" / "optimizer.safetensors"
    torn.write_bytes(torn.read_bytes()[:1000])
    caplog.set_level("INFO", "cfld")
    train(longer)
    assert "step-00000004 is damaged" in caplog.text
    assert "goes on from " + str(checkpoints / "step-00000002") in caplog.text
    assert losses(settings.output)[6] == pytest.approx(losses(whole_run.output)[6], abs=1e-5)
    assert [path.name for path in sorted(checkpoints.iterdir())] == ["step-00000004", "step-00000006"]
    for trained in checkpoints.glob("*/trained.safetensors"):
        trained.write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the checkpoints in .* can be read"):
        train(longer)


def test_the_learning_rate_of_the_paper():
    settings = LoopSettings(steps=100, warmup_steps=1000, drop_at=5000)
    factors = [learning_rate_factor(step, settings) for step in (0, 499, 999, 1000, 4999, 5000, 9000)]
    assert factors == pytest.approx([0.1009, 0.55, 1.0, 1.0, 1.0, 0.1, 0.1])


def test_the_first_step_is_as_long_as_the_warm_up_lets_it_be(folder):
    """Adam's first step moves every parameter that has a gradient by the learning rate."""
    settings = parsed(folder, folder / "warm", {"steps": 1, "learning_rate": 1e-3, "warmup_steps": 10})
    accelerator = build_accelerator(settings.training, settings.output)
    task = DenoisingTask(settings, accelerator)
    before = task.model.unet.conv_in.weight.detach().clone()
    run_training(accelerator, settings.training, settings.output, task)
    moved = (task.model.unet.conv_in.weight - before).abs()
    assert moved.median().item() == pytest.approx(0.19e-3, rel=0.01)
