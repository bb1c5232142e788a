"""Distillation on the micro configuration: a teacher of width 32, few pairs, and what its student's LoRA does."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import default_collate

from cfld_modules.errors import CheckpointError
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.pipeline.lora import fuse_lora
from cfld_modules.settings import parse_settings, plain_settings
from cfld_modules.training import distiller
from cfld_modules.training.distil import DistillationTask, DistilSettings
from cfld_modules.training.distiller import Distiller, evenly_spaced
from cfld_modules.training.loop import build_accelerator, run_training
from cfld_modules.training.run_settings import train
from cfld_modules.training.samples import read_batch
from cfld_modules.training.teacher import Teacher, TeacherSamples
from tests.micro_run import losses, parsed
from tests.tiny_models import tiny_unet, write_lora


@pytest.fixture(scope="module")
def teacher(folder):
    settings = parsed(folder, folder / "teacher", {"steps": 2, "learning_rate": 0.02})
    train(settings)
    return Teacher(settings.output / "base", settings.output / "cfld.safetensors")


def settings_of(folder, teacher, output, training, **changes):
    always = {"batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 1, "checkpoint_every": 4, "sheet_every": 0}
    content = {
        "output": str(folder / output), "rank": 4,
        "data": {"format": "deepfashion", "root": str(folder / "people")}, "teacher": plain_settings(teacher),
        "training": always | training, "gradient_checkpointing": False, "export_dtype": "fp32",
    } | changes  # fmt: skip
    return parse_settings(content, DistilSettings)


def task_of(settings):
    return DistillationTask(settings, build_accelerator(settings.training, settings.output))


def batch_of(task):
    return default_collate([task.data[number] for number in range(8)])


def condition_of(task):
    batch = read_batch(batch_of(task))
    with torch.no_grad():
        condition = task.model.cfld.encode_source(batch["source"]), task.model.cfld.encode_pose(batch["pose_maps"])
    return batch["noise"], *condition


def steps_of(pipeline, *arguments, **sampling):
    """Epsilon and latents after it, of each step."""
    steps = []
    pipeline.denoise(
        *arguments, **sampling, callback=lambda step, epsilon, latents: steps.append((epsilon, latents))
    )
    return zip(*steps, strict=True)


def one_step_loss(task, monkeypatch):
    """Of the student's single step from noise."""
    monkeypatch.setattr(task.model, "step_counts", (1,))
    with torch.no_grad():
        return task.model.eval()(batch_of(task))["loss"].item()


@pytest.fixture(scope="module")
def whole_run(folder, teacher):
    """The settings and the task of an uninterrupted run."""
    settings = settings_of(folder, teacher, "whole", {"steps": 12, "sheet_every": 6})
    accelerator = build_accelerator(settings.training, settings.output)
    torch.manual_seed(settings.training.seed)
    task = DistillationTask(settings, accelerator)
    run_training(accelerator, settings.training, settings.output, task)
    return settings, task


def test_one_step_of_one_row_comes_nearer_to_the_teacher_s_result(whole_run, monkeypatch):
    settings, task = whole_run
    assert one_step_loss(task, monkeypatch) < 0.8 * one_step_loss(task_of(settings), monkeypatch)
    assert [sheet.name for sheet in sorted((settings.output / "sheets").iterdir())] == [
        "step-00000006.png", "step-00000012.png"
    ]


def test_the_lora_alone_is_trained(folder, teacher):
    task = task_of(settings_of(folder, teacher, "alone", {"steps": 1}))
    for seed in range(3):
        torch.manual_seed(seed)
        task.model(batch_of(task))["loss"].backward()
    moved = {name for name, parameter in task.model.named_parameters() if parameter.grad is not None}
    assert moved == {name for name, _ in task.model.named_parameters() if ".lora_" in name}


def test_a_run_that_was_broken_off_goes_on_as_it_would_have(folder, teacher, whole_run, monkeypatch):
    settings = settings_of(folder, teacher, "broken", {"steps": 6})
    reading = TeacherSamples.__getitem__

    def break_off(samples, number):
        if number >= 5 * 4:
            raise KeyboardInterrupt
        return reading(samples, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TeacherSamples, "__getitem__", break_off)
        train(settings)
    assert not (settings.output / "lora.safetensors").exists()
    train(settings)
    expected = losses(whole_run[0].output)
    assert losses(settings.output) == pytest.approx({step: expected[step] for step in range(1, 7)}, abs=1e-5)


def test_what_is_wanted_is_the_teacher_s_two_guided_steps(teacher, whole_run):
    _, task = whole_run
    noise, *condition = condition_of(task)
    with torch.no_grad():
        wanted = task.model._wanted(noise, 999, *condition)
    epsilons, states = steps_of(load_pipeline(teacher.base, teacher.cfld, "ddim_trailing"), noise, *condition, steps=2)
    result = (states[0] - task.model.noise[499] * epsilons[1]) / task.model.signal[499]
    assert torch.allclose(wanted, result, atol=1e-3)


@pytest.mark.parametrize("is_renoised", [False, True])
def test_the_student_is_trained_at_the_states_of_its_own_sampling(teacher, whole_run, monkeypatch, is_renoised):
    settings, task = whole_run
    noise, *condition = condition_of(task)
    sampler = load_pipeline(teacher.base, teacher.cfld, "ddim_trailing", settings.output / "lora.safetensors")
    epsilons, states = steps_of(sampler, noise, *condition, "uc_full", {"full": 1.0}, 4)
    choices = iter([2, 0, int(not is_renoised)])  # 749 of (249, 499, 749, 999), the only way to it, and DDIM or `lcm`
    monkeypatch.setattr(distiller, "_drawn", lambda options: options[next(choices)])
    monkeypatch.setattr(task.model, "step_counts", (4,))
    with torch.no_grad():
        latents, timestep = task.model._on_its_way(noise, *condition)
    assert timestep == 749
    if not is_renoised:
        assert torch.allclose(latents, states[0], atol=1e-3)
        return
    signal, level = task.model.signal, task.model.noise
    result = (noise - level[999] * epsilons[0]) / signal[999]
    anew = (latents - signal[749] * result) / level[749]
    assert anew.std() == pytest.approx(1, abs=0.1)
    assert not torch.allclose(anew, epsilons[0], atol=0.1)


def test_each_timestep_is_trained_as_often():
    counts = Counter()
    model = SimpleNamespace(step_counts=(1, 2, 4), signal=torch.ones(1000), noise=torch.ones(1000))
    model._prediction = lambda rows, latents, *rest: (latents, latents)
    for _ in range(400):
        counts[Distiller._on_its_way(model, torch.zeros(1), None, None)[1]] += 1
    assert sorted(counts) == [249, 499, 749, 999]
    assert min(counts.values()) > 70


def test_the_written_lora_fused_is_what_was_trained(teacher, whole_run):
    settings, task = whole_run
    fused = load_pipeline(teacher.base, teacher.cfld, "lcm", settings.output / "lora.safetensors")
    batch = read_batch(batch_of(task))
    with torch.no_grad():
        condition = fused.cfld.encode_source(batch["source"]), fused.cfld.encode_pose(batch["pose_maps"])
        predictions = [
            pipeline.guided_epsilon(batch["noise"], 999, {"full": 1.0}, *condition)
            for pipeline in (fused, task.model.pipeline, teacher.pipeline())
        ]
    assert (predictions[0] - predictions[1]).abs().max() < 1e-4
    assert (predictions[0] - predictions[2]).abs().max() > 1e-2


def test_a_lora_trained_further_begins_as_it_was_written(folder, teacher, whole_run):
    """At the strength that its alpha says."""
    settings, _ = whole_run
    tensors = load_file(settings.output / "lora.safetensors")
    halved = {name: tensor / 2 if name.endswith("alpha") else tensor for name, tensor in tensors.items()}
    save_file(halved, folder / "halved.safetensors")
    task = task_of(settings_of(folder, teacher, "unused", {"steps": 1}, lora=str(folder / "halved.safetensors")))
    fused = load_pipeline(teacher.base, teacher.cfld, "lcm", folder / "halved.safetensors")
    noise, *condition = condition_of(task)
    with torch.no_grad():
        first, second = (p.guided_epsilon(noise, 999, {"full": 1.0}, *condition) for p in (task.model.pipeline, fused))
    assert (first - second).abs().max() < 1e-4


def test_a_lora_of_another_rank_is_not_trained_further(folder, teacher, whole_run):
    settings, _ = whole_run
    lora = str(settings.output / "lora.safetensors")
    with pytest.raises(CheckpointError, match="'lora.safetensors' is no LoRA that 'distil' wrote"):
        task_of(settings_of(folder, teacher, "unused", {"steps": 1}, lora=lora, rank=2))


@pytest.fixture
def lora(tmp_path):
    """The tensors of one for the goldens' U-Net."""
    write_lora(tmp_path / "lora.safetensors")
    return load_file(tmp_path / "lora.safetensors")


def fused_with(tensors, tmp_path):
    save_file(tensors, tmp_path / "changed.safetensors")
    unet = tiny_unet()
    fuse_lora(unet, tmp_path / "changed.safetensors")
    return unet.up_blocks[3].attentions[2].transformer_blocks[0].attn2.to_k.weight


def test_a_lora_s_alpha_is_heeded_and_a_text_encoder_s_part_left_out(lora, tmp_path):
    plain = tiny_unet().up_blocks[3].attentions[2].transformer_blocks[0].attn2.to_k.weight
    whole = fused_with(lora, tmp_path)
    halved = {name: tensor / 2 if name.endswith("alpha") else tensor for name, tensor in lora.items()}
    half = fused_with(halved | {"lora_te_mlp.lora_up.weight": torch.zeros(1)}, tmp_path)
    assert torch.allclose(half - plain, (whole - plain) / 2, atol=1e-6)
    assert torch.equal(fused_with({n: t for n, t in lora.items() if not n.endswith("alpha")}, tmp_path), whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda lora: {name.replace("blocks_0_", "blocks_7_"): tensor for name, tensor in lora.items()},
        lambda lora: {name: torch.cat([tensor] * 2) if "lora_up" in name else tensor for name, tensor in lora.items()},
        lambda lora: {name: tensor for name, tensor in lora.items() if "lora_up" not in name},
        lambda lora: lora | {min(lora).replace("alpha", "dora_scale"): torch.ones(1)},
        lambda lora: {"lora_te_mlp.lora_up.weight": torch.zeros(1)},
        lambda lora: {name: torch.full_like(tensor, torch.nan) for name, tensor in lora.items()},
        lambda lora: {name: tensor.to(torch.int32) for name, tensor in lora.items()},
    ],
)
def test_what_is_no_lora_for_the_base_model_is_refused(lora, tmp_path, change):
    with pytest.raises(CheckpointError, match="'changed.safetensors' is no LoRA for this base model") as refusal:
        fused_with(change(lora), tmp_path)
    assert len(str(refusal.value)) < 500


def test_steps_are_evenly_spaced_from_the_last_timestep():
    assert [evenly_spaced(steps) for steps in (1, 2, 4)] == [[999], [999, 499], [999, 749, 499, 249]]


def test_the_student_s_encoders_are_those_of_sampling(whole_run):
    _, task = whole_run
    task.model.train()
    assert task.model.unet.training
    assert not any(module.training for module in task.model.cfld.modules())
