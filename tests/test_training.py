"""Training on a micro configuration: a U-Net of width 32 on 8x8 latents, mannequins, an untrained autoencoder."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import default_collate

from cfld_modules.checkpoints.atomic_files import replace_folder
from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, load_checkpoint
from cfld_modules.command_line import main
from cfld_modules.data.mannequins import MannequinData
from cfld_modules.errors import CheckpointError, SettingsError
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.guidance import ROWS
from cfld_modules.networks.config import CFLDConfig
from cfld_modules.pipeline.base_model import sd15_unet_config
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.poses.pose_maps import pose_maps
from cfld_modules.settings import parse_settings, plain_settings, read_settings
from cfld_modules.training import run_checkpoints
from cfld_modules.training.autoencoder import AutoencoderSettings
from cfld_modules.training.denoiser import Denoiser
from cfld_modules.training.distil import DistilSettings
from cfld_modules.training.initial_weights import build_models
from cfld_modules.training.latents import (
    cached_posteriors,
    encode_photographs,
    encode_posteriors,
    square_picture,
)
from cfld_modules.training.lifter import LifterSettings
from cfld_modules.training.loop import (
    DivergedError,
    LoopSettings,
    _check_loss,
    build_accelerator,
    learning_rate_factor,
    run_training,
)
from cfld_modules.training.run_checkpoints import Progress
from cfld_modules.training.samples import (
    Augmentation,
    PairSamples,
    RowShares,
    cubic_timesteps,
    read_batch,
    uniform_timesteps,
)
from cfld_modules.training.train import DenoisingTask, TrainSettings, train
from tests.micro_run import MICRO_CFLD, STEPS, configuration, parsed
from tests.tiny_models import tiny_autoencoder

ROOT = Path(__file__).parent.parent


def losses(output):
    """{step: loss}; of a step made twice the latter."""
    events = EventAccumulator(str(output / "tensorboard")).Reload()
    return {event.step: event.value for event in events.Scalars("loss")}


@pytest.fixture(scope="module")
def whole_run(folder):
    """An uninterrupted run's settings."""
    settings = parsed(folder, folder / "whole")
    train(settings)
    return settings


def test_the_loss_falls(whole_run):
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


def test_the_export_gives_the_same_latents(folder):
    settings = parsed(folder, folder / "exported", {"steps": 1, "ema_decay": 0.5, "sheet_every": 1})
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
    latents = [sample_latents(pipeline, task) for pipeline in (trained, exported)]
    assert (latents[0] - latents[1]).abs().max() < 1e-4  # equal weights, but not at the same places in memory
    assert latents[0].std() > 0.1
    for file in (settings.output / "base").glob("*/config.json"):
        assert "_name_or_path" not in json.loads(file.read_text())
    others = (folder / "mannequins" / "fasion-resize-pairs-train.csv").stat().st_mode
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
    pairs = MannequinData("mannequins", people=1, pictures=2).pairs("train")
    sample = PairSamples(pairs, 32, 0, Augmentation())[0]
    model({name: tensor[None] for name, tensor in sample.items()})["loss"].backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    expected = {f"cfld.{name}" for name, _ in cfld.named_parameters()}
    if train_unet == "all":
        expected |= {f"unet.{name}" for name, _ in unet.named_parameters()}
    else:
        expected |= {f"unet.{name}" for name in KEY_VALUE_NAMES}
    assert with_gradient == expected


def test_two_processes_give_the_gradients_of_the_doubled_batch(folder):
    """After two steps without a change of weights, Adam's first moment is a fixed combination of two gradients.

    Started by torchrun: `accelerate launch --cpu --num_processes 2` starts a single process (seen with 1.15).
    """
    moments, values = [], []
    for processes, batch_size in ((2, 1), (1, 2)):
        output = folder / f"processes{processes}"
        content = configuration(folder, output, {"steps": 2, "batch_size": batch_size, "learning_rate": 1e-12})
        content["model"]["cfld"] = MICRO_CFLD | {"source": MICRO_CFLD["source"] | {"drop_path": 0.0}}
        if processes == 1:
            train(parse_settings(content, TrainSettings))
        else:
            launch_training(content, folder / "two.yaml", processes)
        checkpoint = output / "checkpoints" / "step-00000002"
        state = load_file(checkpoint / "optimizer.safetensors")
        moments.append(torch.cat([state[name].flatten() for name in sorted(state) if name.endswith(".exp_avg")]))
        values.append(losses(output))
    assert moments[0].abs().max() > 1e-3
    # Float32 noise of differently blocked sums: 1.3e-5 on a processor with AVX2, less with AVX-512. A mixed-up share of
    # the samples changes the gradients by a large part of themselves.
    assert (moments[0] - moments[1]).abs().max() < 3e-5 * moments[1].abs().max()
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def launch_training(content, file, processes):
    file.write_text(yaml.safe_dump(content))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    finished = subprocess.run(
        [sys.executable, *launch, "-m", "cfld_modules", "train", str(file)], capture_output=True, text=True,
        cwd=ROOT, env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr


def test_accumulated_gradients_are_those_of_the_whole_batch(folder, whole_run):
    accumulated = parsed(folder, folder / "accumulated", {"steps": 2, "batch_size": 1, "gradient_accumulation": 2})
    train(accumulated)
    once = losses(whole_run.output)
    # Stochastic depth differs; it is a tenth of a share of a network that is only about to be noticed.
    assert losses(accumulated.output) == pytest.approx({step: once[step] for step in (1, 2)}, abs=1e-3)


def test_a_run_that_diverges_stops(folder):
    settings = parsed(folder, folder / "diverged", {"learning_rate": 1e30, "steps": 8})
    with pytest.raises(DivergedError, match="lower the learning rate"):
        train(settings)
    assert not (settings.output / "cfld.safetensors").exists()


@pytest.mark.parametrize("learning_rate", [1e30, 30.0], ids=["not finite", "finite"])
def test_an_update_that_diverges_in_the_last_step_is_neither_kept_nor_exported(folder, tmp_path, capsys, learning_rate):
    content = configuration(folder, tmp_path / "run", {"learning_rate": learning_rate, "steps": 1, "warmup_steps": 0})
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    assert main(["train", str(tmp_path / "run.yaml")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the loss " in error and "at step 1" in error and "lower the learning rate" in error
    assert not (tmp_path / "run" / "cfld.safetensors").exists()
    assert not list((tmp_path / "run" / "checkpoints").glob("step-*"))


def test_a_loss_that_jumps_ends_the_run_and_clipped_it_goes_on_from_the_checkpoint_before(folder, monkeypatch, capsys):
    """As an autoencoder's from 0.06 to 1.6e8, which then stayed at 1 and was exported."""
    output, forward = folder / "jumped", Denoiser.forward
    content = configuration(folder, output, {"steps": 4, "checkpoint_every": 2})
    (folder / "jumped.yaml").write_text(yaml.safe_dump(content))
    seen = []

    def jump(denoiser, batch):
        seen.append(batch)
        factor = 1e9 if len(seen) == 4 else 1.0  # two steps, the look at the second update, and the third step
        return {name: scalar * factor for name, scalar in forward(denoiser, batch).items()}

    with monkeypatch.context() as patch:
        patch.setattr(Denoiser, "forward", jump)
        assert main(["train", str(folder / "jumped.yaml")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the loss jumped from " in error and "at step 3" in error and "max_grad_norm" in error
    assert [path.name for path in (output / "checkpoints").glob("step-*")] == ["step-00000002"]
    assert not (output / "cfld.safetensors").exists()
    assert main(["train", str(folder / "jumped.yaml"), "--set", "training.max_grad_norm=1"]) == 0
    assert (output / "cfld.safetensors").exists()


def test_the_losses_of_a_public_report_are_stopped_at_their_jump_and_wide_draws_are_not():
    """archinetai/audio-diffusion-pytorch 35."""
    progress = Progress()
    for loss in (0.0562, 0.0517, 0.05, 0.0374, 0.0519, 0.0557, 0.0499, 0.0482, 1.4608):
        _check_loss(loss, progress)
    with pytest.raises(DivergedError, match="the loss jumped from 0.08.* to 3.56e\\+07"):
        _check_loss(35551447.3009, progress)
    random, progress = np.random.default_rng(0), Progress()
    for loss in random.lognormal(-3, 1.2, 20_000):  # of single pairs at any timestep
        _check_loss(loss, progress)


def test_gradients_are_as_long_as_max_grad_norm_at_most_and_as_they_are_without(folder, whole_run):
    clipped = parsed(folder, folder / "clipped", {"steps": 1, "max_grad_norm": 1e-3})
    train(clipped)
    moments = load_file(clipped.output / "checkpoints" / "step-00000001" / "optimizer.safetensors")
    gradient = torch.cat([tensor.flatten() for name, tensor in moments.items() if name.endswith(".exp_avg")]) * 10
    assert gradient.norm().item() == pytest.approx(1e-3, rel=1e-2)
    assert LoopSettings(steps=1).max_grad_norm is None, "the paper's"


def test_weights_beyond_fp16_are_exported_in_fp32_by_the_remedy_that_is_named(folder, monkeypatch, capsys):
    output, export = folder / "beyond", DenoisingTask.export
    content = configuration(folder, output, {"steps": 1, "checkpoint_every": 1}, export_dtype="fp16")
    (folder / "beyond.yaml").write_text(yaml.safe_dump(content))

    def export_large(task):
        with torch.no_grad():
            task.model.cfld.learnable_vector.fill_(1e5)
        export(task)

    monkeypatch.setattr(DenoisingTask, "export", export_large)
    assert main(["train", str(folder / "beyond.yaml")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "'learnable_vector' has numbers up to 1e+05, and fp16 ends at 6.55e+04" in error
    assert "--set export_dtype=fp32" in error and not (output / "cfld.safetensors").exists()
    assert main(["train", str(folder / "beyond.yaml"), "--set", "export_dtype=fp32"]) == 0
    assert load_checkpoint(output / "cfld.safetensors").networks["learnable_vector"].max() == 1e5


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
    train(whole_run)  # a killed one holds nothing


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


def test_a_full_disk_loses_nothing(folder, capsys):
    output = folder / "full"
    content = configuration(folder, output, {"steps": 1, "checkpoint_every": 1})
    train(parse_settings(content, TrainSettings))
    content["training"]["steps"] = 2
    file = folder / "full.yaml"
    file.write_text(yaml.safe_dump(content))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most[1]))
    try:
        assert main(["train", str(file)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "step-00000002' cannot be written" in error and "make room on the disk" in error
    assert [path.name for path in (output / "checkpoints").iterdir()] == ["step-00000001"]
    assert main(["train", str(file)]) == 0


def test_a_disk_that_is_full_when_the_export_is_written(folder, capsys, monkeypatch):
    file, export = folder / "full_export.yaml", DenoisingTask.export
    file.write_text(yaml.safe_dump(configuration(folder, folder / "full_export", {"steps": 1, "checkpoint_every": 1})))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def export_to_a_full_disk(task):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most[1]))  # less than base/unet alone
        export(task)

    monkeypatch.setattr(DenoisingTask, "export", export_to_a_full_disk)
    try:
        assert main(["train", str(file)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "what was trained cannot be written into" in error and "make room on the disk" in error
    monkeypatch.undo()
    assert main(["train", str(file)]) == 0
    assert (folder / "full_export" / "base" / "unet").is_dir()


def test_the_old_export_stays_until_the_new_one_is_in_place(tmp_path, monkeypatch):
    for name in ("base", "base.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    rename = Path.rename

    def stop(path, target):
        if path.name == "base.part":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", stop)
        replace_folder(tmp_path / "base.part", tmp_path / "base")
    assert {path.read_text() for path in tmp_path.glob("*/x")} == {"base", "base.part"}
    replace_folder(tmp_path / "base.part", tmp_path / "base")
    assert [(path.parent.name, path.read_text()) for path in tmp_path.glob("*/x")] == [("base", "base.part")]


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


def test_timesteps_are_cubic_or_uniform(drawn_pairs):
    assert cubic_timesteps(np.array([0.0, 0.5, 0.9999])).tolist() == [999, 875, 0]
    assert uniform_timesteps(np.array([0.0, 0.5, 0.9999])).tolist() == [0, 500, 999]
    for kind, mean in (("cubic", 750), ("uniform", 500)):
        samples = PairSamples(drawn_pairs, 32, 7, Augmentation(timesteps=kind))
        timesteps = torch.cat([samples[number]["timesteps"] for number in range(300)])
        assert timesteps.float().mean().item() == pytest.approx(mean, abs=40)


@pytest.fixture(scope="module")
def drawn_pairs():
    return MannequinData("mannequins", people=2, pictures=2).pairs("train")


def test_a_sample_depends_on_its_number_alone(drawn_pairs):
    first, second = (PairSamples(drawn_pairs, 32, 7, Augmentation()) for _ in range(2))
    for number in (5, 0, 3):
        second[number]
    assert all(torch.equal(first[5][name], second[5][name]) for name in first[5])
    assert not torch.equal(first[5]["noise"], first[6]["noise"])
    epoch = {first._pair(number) for number in range(len(drawn_pairs))}
    assert epoch == set(range(len(drawn_pairs)))


def test_a_sample_shows_source_and_target_and_their_poses(drawn_pairs):
    samples = PairSamples(drawn_pairs, 32, 7, Augmentation(flip=0.0))
    sample, pair = read_batch(samples[1]), drawn_pairs[samples._pair(1)]
    for place, photograph in enumerate(pair):
        assert torch.equal(sample["pictures"][place], square_picture(photograph.picture(), "stretch", 64))
        assert torch.equal(sample["pose_maps"][place], pose_maps([photograph.pose()], 32)[0])
    assert torch.equal(sample["source"], square_picture(pair[0].picture(), "stretch", 32))


def test_a_sample_of_the_papers_size_is_handed_over_in_few_bytes(drawn_pairs):
    """A seventh of the 18.3 MB that its numbers are, and a megabyte where the latents are there."""
    augmentation = Augmentation()
    for posteriors, most in ((None, 2.5e6), (torch.zeros(len(drawn_pairs.photographs), 8, 64, 64), 1.15e6)):
        sample = PairSamples(drawn_pairs, 256, 7, augmentation, posteriors)[0]
        assert sum(tensor.nbytes for tensor in sample.values()) < most


def test_each_pair_of_a_batch_has_its_own_condition(folder, drawn_pairs):
    """A batch's loss is the mean of its pairs' losses."""
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    model = Denoiser(cfld, unet, vae, True).eval()
    with torch.no_grad():
        for parameter in cfld.appearance_encoder.parameters():  # the zero convolutions would hide a mix-up
            parameter.add_(torch.randn_like(parameter))
        samples = [PairSamples(drawn_pairs, 32, 7, Augmentation())[number] for number in range(3)]
        apart = [model(default_collate([sample]))["loss"].item() for sample in samples]
        together = model(default_collate(samples))["loss"].item()
    assert together == pytest.approx(np.mean(apart), rel=1e-5)


@pytest.mark.parametrize("loss", ["epsilon", "min_snr", "noisy"])
def test_the_loss_weighs_each_latent_by_its_own_timestep(folder, drawn_pairs, loss):
    """Each timestep alone: its error times its weight, computed here from its signal-to-noise ratio."""
    cfld, unet, vae = build_models(parsed(folder, folder / "unused").model)
    plain, weighted = Denoiser(cfld, unet, vae, True).eval(), Denoiser(cfld, unet, vae, True, loss).eval()
    levels = plain.scheduler.alphas_cumprod
    sample = PairSamples(drawn_pairs, 32, 7, Augmentation())[0]
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
    sample = PairSamples(drawn_pairs, 32, 7, Augmentation())[0]
    losses = {}
    for timesteps in ((100, 100), (999, 999), (100, 999)):
        sample["timesteps"] = torch.tensor(timesteps)
        with torch.no_grad():
            losses[timesteps] = model(default_collate([sample]))["loss"].item()
    # The untrained U-Net's error on its noise is about the same everywhere, so a mean of weights would be seen.
    assert losses[100, 999] == pytest.approx((losses[100, 100] + losses[999, 999]) / 2, rel=0.1)


def test_only_the_picture_for_the_encoder_is_mirrored(drawn_pairs):
    plain, mirrored = (read_batch(PairSamples(drawn_pairs, 32, 7, Augmentation(flip=flip))[0]) for flip in (0.0, 1.0))
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
def test_rows_are_drawn_as_often_as_asked(drawn_pairs, rows):
    samples = [PairSamples(drawn_pairs, 32, 7, Augmentation(rows=rows))[number] for number in range(300)]
    given = torch.cat([sample["given"] for sample in samples])
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
        sample = PairSamples(drawn_pairs, 32, 7, Augmentation())[1]
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
    both = [PairSamples(drawn_pairs, 32, 7, Augmentation(), given)[2] for given in (None, posteriors)]
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


def test_settings_survive_yaml(folder):
    settings = parsed(folder, folder / "unused")
    assert parse_settings(yaml.safe_load(yaml.safe_dump(plain_settings(settings))), TrainSettings) == settings
    assert parse_settings(yaml.safe_load("{steps: 3, learning_rate: 1e-4}"), LoopSettings).learning_rate == 1e-4
    assert parse_settings(yaml.safe_load("{steps: 3, mixed_precision: no}"), LoopSettings).mixed_precision == "no"


@pytest.mark.parametrize("file", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda file: file.name)
def test_the_configurations_that_come_along_are_valid(file):
    kinds = {"coder": AutoencoderSettings, "distil": DistilSettings, "lora": DistilSettings, "lifter": LifterSettings}
    read_settings(file, next((kind for word, kind in kinds.items() if word in file.name), TrainSettings))


def test_single_settings_are_changed():
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
