"""Training in trouble: losses that diverge, damaged and foreign files, full disks, a run begun otherwise."""

import resource
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cfld_modules.checkpoints.atomic_files import replace_folder
from cfld_modules.checkpoints.cfld_checkpoint import load_checkpoint
from cfld_modules.command_line import main
from cfld_modules.settings import parse_settings
from cfld_modules.training.denoiser import Denoiser
from cfld_modules.training.loop import DivergedError, _check_loss
from cfld_modules.training.run_checkpoints import Progress
from cfld_modules.training.run_settings import train
from cfld_modules.training.train import DenoisingTask, TrainSettings
from tests.micro_run import configuration, parsed


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
