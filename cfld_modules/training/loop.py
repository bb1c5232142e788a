"""The training loop: accelerate, checkpoints that are never half-written, scalars and sample sheets.

Everything random about sample n of a run hangs on the seed and n alone (`TrainingData`), and what else draws random
numbers (stochastic depth) is reseeded at each step. So a resumed run goes on exactly as it would have without the
break, and P processes with batches of B see what one would with batches of P*B.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from ..errors import CheckpointError
from ..pipeline.half_precision import warn_if_emulated
from ..settings import Bound, Count, CountOrNone, Positive, Seed
from .run_checkpoints import Progress, RunCheckpoints, RunState

WARMUP_START = 0.1
LEARNING_RATE_DROP = 0.1
LOSS_JUMP = 100.0  # times what it usually is: no draw of timesteps or pictures makes it so much larger
USUAL_LOSS_DECAY = 0.98
REMEDY = (
    "go on from the last checkpoint with --set training.max_grad_norm=1 (or less), or lower the learning rate and give "
    "another output"
)

logger = logging.getLogger("cfld")


@dataclass(frozen=True)
class LoopSettings:
    """How to optimise. The defaults are the paper's (docs/method.md, section 11), except for what hangs on the machine.

    Attributes:
        steps: optimiser steps in all.
        batch_size: samples for each process and each backward pass.
        warmup_steps: steps over which the learning rate grows from a tenth.
        drop_at: step from which on the learning rate is a tenth; never where not given.
        ema_decay: of the running mean of the weights that sheets and the export use; 0, the paper's, is none.
        max_grad_norm: longer gradients are shortened to it, against losses that explode; none, as in the paper, where
            not given.
        workers: data loading processes beside each training process.
        checkpoint_every, sheet_every: in steps; no sheets if 0.
        keep_checkpoints: how many of the latest stay on the disk.
    """

    steps: Count
    batch_size: Count = 28
    learning_rate: Positive = 1e-4
    warmup_steps: CountOrNone = 1000
    drop_at: CountOrNone | None = None
    ema_decay: Annotated[float, Bound(ge=0, lt=1)] = 0.0
    max_grad_norm: Positive | None = None
    seed: Seed = 3407
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_accumulation: Count = 1
    workers: Annotated[int, Bound(ge=0, le=1024)] = 0
    checkpoint_every: Count = 1000
    keep_checkpoints: Count = 2
    sheet_every: CountOrNone = 1000


# May change between a run's parts: it leaves the trajectory as it is, or (max_grad_norm) is the remedy of a bad one.
FREE_SETTINGS = ("steps", "workers", "checkpoint_every", "keep_checkpoints", "sheet_every", "max_grad_norm")


class TrainingData(Protocol):
    """An endless run of samples: sample n is the same whenever, and by whichever process, it is asked for."""

    def __getitem__(self, number: int) -> Mapping[str, torch.Tensor]: ...


class Task(Protocol):
    """What is trained, on what."""

    @property
    def model(self) -> nn.Module:
        """Called with a batch, gives scalars by name, of which `loss` is minimised; trained where gradients are on."""

    @property
    def data(self) -> TrainingData: ...

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """A picture of samples, and held-out scores by name; called without gradients and in evaluation mode."""

    def export(self) -> None:
        """Write what was trained in the form that others use; called in evaluation mode."""


class DivergedError(RuntimeError):
    """The loss or a weight is no longer a number, or the loss is larger than it was by orders of magnitude."""


def learning_rate_factor(step: int, settings: LoopSettings) -> float:
    """Of the step with that number, counted from 0 (docs/method.md, section 11)."""
    if settings.drop_at is not None and step >= settings.drop_at:
        return LEARNING_RATE_DROP
    return min(1.0, WARMUP_START + (1 - WARMUP_START) * (step + 1) / max(settings.warmup_steps, 1))


def build_accelerator(settings: LoopSettings, output: Path) -> Accelerator:
    """Made before anything asks which process this is: accelerate's other ways to ask settle it without the launcher's
    choice of CPUs, and each process would then be the only one.
    """
    accelerator = Accelerator(
        mixed_precision=settings.mixed_precision, gradient_accumulation_steps=settings.gradient_accumulation,
        log_with="tensorboard", project_dir=output,
    )
    remedy = "train with --set training.mixed_precision=no"
    warn_if_emulated(accelerator.device, settings.mixed_precision, remedy)
    return accelerator


def run_training(accelerator: Accelerator, settings: LoopSettings, output: Path, task: Task) -> None:
    """Train from the latest checkpoint in `output`, or from the start; ends with a checkpoint and the export.

    Writes `checkpoints/step-<number>/`, `tensorboard/` and `sheets/step-<number>.png` below `output`.

    Raises:
        DivergedError: when the loss becomes NaN or infinite, or jumps by orders of magnitude. No checkpoint and no
            export has weights that do so.
        CheckpointError: when no checkpoint of a run that was begun can be read, or the next or the export cannot be
            written.
    """
    # Convolutions' preferred layout, on CPUs and GPUs alike.
    task.model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = {name: parameter for name, parameter in task.model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), lr=settings.learning_rate, fused=True)  # half the time on CPUs
    model, optimizer = accelerator.prepare(task.model, optimizer)
    ema = EMAModel(list(trained.values()), decay=settings.ema_decay) if settings.ema_decay else None
    state = RunState(trained, optimizer.optimizer, Progress(), ema, accelerator.scaler)
    progress = state.progress
    checkpoints = RunCheckpoints(output / "checkpoints", settings.keep_checkpoints)
    if checkpoint := checkpoints.load_latest(state):
        logger.info("training goes on from %s", checkpoint)
    if ema:
        ema.to(accelerator.device)
    accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": progress.step + 1}})

    bar = tqdm(total=settings.steps, initial=progress.step, desc=output.name, disable=not accelerator.is_main_process)
    with bar:
        for scalars in _steps(accelerator, model, optimizer, task.data, settings, progress):
            is_kept = progress.step % settings.checkpoint_every == 0 or progress.step == settings.steps
            if is_kept:
                _check_update(accelerator, model, task.data, settings, progress)
            if ema:
                ema.step(trained.values())
            accelerator.log(scalars, progress.step)
            bar.set_postfix(loss=f"{scalars['loss']:.4f}")
            bar.update()
            if settings.sheet_every and progress.step % settings.sheet_every == 0 and accelerator.is_main_process:
                with _evaluation(accelerator, task.model, trained, ema):
                    picture, scores = task.sheet()
                (output / "sheets").mkdir(exist_ok=True)
                picture.save(output / "sheets" / f"step-{progress.step:08d}.png")
                accelerator.log(scores, progress.step)
            if is_kept:
                checkpoints.save(accelerator, state)
    if accelerator.is_main_process:
        with _evaluation(accelerator, task.model, trained, ema):
            if infinite_names := [name for name, parameter in trained.items() if not parameter.isfinite().all()]:
                raise DivergedError(f"the weights '{infinite_names[0]}' are not finite; {REMEDY}")
            _export(task, output)
    accelerator.wait_for_everyone()
    accelerator.end_training()


def _export(task: Task, output: Path) -> None:
    try:
        task.export()
    except CheckpointError as error:
        raise CheckpointError(
            f"what was trained cannot be written: {error}. Where the run has that setting, run the same command with "
            "--set export_dtype=fp32, which writes it from the last checkpoint"
        ) from error
    except (OSError, SafetensorError) as error:  # the libraries' kinds of a full disk
        raise CheckpointError(
            f"what was trained cannot be written into '{output}' ({error}); make room on the disk and run the same "
            "command again, which writes it from the last checkpoint"
        ) from error


def _steps(
    accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer, data: TrainingData,
    settings: LoopSettings, progress: Progress,
) -> Iterator[dict[str, float]]:
    """Make the steps that are left, giving each one's scalars, averaged over its samples on all processes."""
    step_samples = settings.batch_size * settings.gradient_accumulation * accelerator.num_processes
    numbers = range(progress.samples, progress.samples + (settings.steps - progress.step) * step_samples)
    if not numbers:
        return
    loader = accelerator.prepare(DataLoader(
        data, settings.batch_size, sampler=numbers, num_workers=settings.workers,  # type: ignore[arg-type]
        pin_memory=accelerator.device.type == "cuda",
    ))
    model.train()
    parts: list[torch.Tensor] = []
    for batch in loader:
        _reseed(settings.seed, progress.samples, len(parts), accelerator.process_index)
        learning_rate = settings.learning_rate * learning_rate_factor(progress.step, settings)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        with accelerator.accumulate(model):
            scalars = model(batch)
            accelerator.backward(scalars["loss"])
            if accelerator.sync_gradients and settings.max_grad_norm is not None:
                accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        parts.append(torch.stack([scalar.detach().float() for scalar in scalars.values()]))
        if accelerator.sync_gradients:
            means = accelerator.reduce(torch.stack(parts).mean(dim=0), "mean").tolist()
            parts.clear()
            averaged = dict(zip(scalars, means, strict=True))
            progress.step += 1
            progress.samples += step_samples
            _check_loss(averaged["loss"], progress)
            yield averaged | {"learning_rate": learning_rate}


def _check_loss(loss: float, progress: Progress) -> None:
    """Count the loss to what is usual; a DivergedError where it is no number, or much more than usual."""
    usual = progress.usual_loss
    if not np.isfinite(loss):
        raise DivergedError(f"the loss is {loss} at step {progress.step}; {REMEDY}")
    if usual is not None and loss > LOSS_JUMP * usual:
        raise DivergedError(f"the loss jumped from {usual:.3g} to {loss:.3g} at step {progress.step}; {REMEDY}")
    progress.usual_loss = loss if usual is None else USUAL_LOSS_DECAY * usual + (1 - USUAL_LOSS_DECAY) * loss


@torch.no_grad()
def _check_update(
    accelerator: Accelerator, model: nn.Module, data: TrainingData, settings: LoopSettings, progress: Progress
) -> None:
    """See by the samples to come that the last update is a good one: its loss is otherwise that of the next step."""
    _reseed(settings.seed, progress.samples, 0, accelerator.process_index)
    first = progress.samples + accelerator.process_index * settings.batch_size
    batch = default_collate([data[number] for number in range(first, first + settings.batch_size)])
    loss = model({name: tensor.to(accelerator.device) for name, tensor in batch.items()})["loss"]
    _check_loss(accelerator.reduce(loss.float(), "mean").item(), replace(progress))


def _reseed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))


@contextmanager
def _evaluation(
    accelerator: Accelerator, model: nn.Module, trained: Mapping[str, nn.Parameter], ema: EMAModel | None
) -> Iterator[None]:
    """Evaluation mode, no gradients, the run's precision and, where there is one, the running mean of the weights."""
    model.train(False)
    if ema:
        ema.store(trained.values())
        ema.copy_to(trained.values())
    try:
        with torch.no_grad(), accelerator.autocast():
            yield
    finally:
        if ema:
            ema.restore(trained.values())
        model.train()
