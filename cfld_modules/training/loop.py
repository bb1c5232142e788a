"""The training loop: accelerate, checkpoints that are never half-written, scalars and sample sheets.

Everything random about sample n of a run hangs on the seed and n alone (`TrainingData`), and what else draws random
numbers (stochastic depth) is reseeded at each step. So a resumed run goes on exactly as it would have without the
break, and P processes with batches of B see what one would with batches of P*B.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..errors import CheckpointError
from .run_checkpoints import RunCheckpoints, checkpoint_only

WARMUP_START = 0.1
LEARNING_RATE_DROP = 0.1

logger = logging.getLogger("cfld")


@dataclass(frozen=True)
class LoopSettings:
    """How to optimise. The defaults are the paper's (docs/method.md, section 11), except for what hangs on the machine.

    Attributes:
        steps: optimiser steps in all.
        batch_size: samples for each process and each backward pass.
        warmup_steps: steps over which the learning rate grows from a tenth.
        drop_at: step from which on the learning rate is a tenth; never where not given.
        largest_gradient: norm above which all gradients are scaled down together; 0, the paper's, is none.
        ema_decay: of the running mean of the weights that sheets and the export use; 0, the paper's, is none.
        workers: data loading processes beside each training process.
        checkpoint_every, sheet_every: in steps; no sheets if 0.
        keep_checkpoints: how many of the latest stay on the disk.
    """

    steps: int
    batch_size: int = 28
    learning_rate: float = 1e-4
    warmup_steps: int = 1000
    drop_at: int | None = None
    largest_gradient: float = 0.0
    ema_decay: float = 0.0
    seed: int = 3407
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_accumulation: int = 1
    workers: int = 0
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    sheet_every: int = 1000


# May change between a run's parts without changing its trajectory.
FREE_SETTINGS = ("steps", "workers", "checkpoint_every", "keep_checkpoints", "sheet_every")


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
    """The loss is no longer a number."""


@dataclass
class Progress:
    """How far a run is: optimiser steps made and samples seen. Saved with each checkpoint."""

    step: int = 0
    samples: int = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step, "samples": self.samples}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.step, self.samples = state["step"], state["samples"]


def learning_rate_factor(step: int, settings: LoopSettings) -> float:
    """Of the step with that number, counted from 0 (docs/method.md, section 11)."""
    if settings.drop_at is not None and step >= settings.drop_at:
        return LEARNING_RATE_DROP
    return min(1.0, WARMUP_START + (1 - WARMUP_START) * (step + 1) / max(settings.warmup_steps, 1))


def build_accelerator(settings: LoopSettings, output: Path) -> Accelerator:
    """Made before anything asks which process this is: accelerate's other ways to ask settle it without the launcher's
    choice of CPUs, and each process would then be the only one.
    """
    return Accelerator(
        mixed_precision=settings.mixed_precision, gradient_accumulation_steps=settings.gradient_accumulation,
        log_with="tensorboard", project_dir=output,
    )


def run_training(accelerator: Accelerator, settings: LoopSettings, output: Path, task: Task) -> None:
    """Train from the latest checkpoint in `output`, or from the start; ends with a checkpoint and the export.

    Writes `checkpoints/step-<number>/`, `tensorboard/` and `sheets/step-<number>.png` below `output`.

    Raises:
        DivergedError: when the loss becomes NaN or infinite.
        CheckpointError: when no checkpoint of a run that was begun can be read, or the next or the export cannot be
            written.
    """
    # Convolutions' preferred layout, on CPUs and GPUs alike.
    task.model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = {name: parameter for name, parameter in task.model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), lr=settings.learning_rate, fused=True)  # half the time on CPUs
    model, optimizer = accelerator.prepare(task.model, optimizer)
    progress = Progress()
    ema = EMAModel(list(trained.values()), decay=settings.ema_decay) if settings.ema_decay else None
    checkpoint_only(accelerator, trained, [progress, ema] if ema else [progress])
    checkpoints = RunCheckpoints(output / "checkpoints", settings.keep_checkpoints)
    if begun := checkpoints.load_latest(accelerator):
        logger.info("training goes on from %s", begun)
        if ema:
            ema.to(accelerator.device)
    accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": progress.step + 1}})

    bar = tqdm(total=settings.steps, initial=progress.step, desc=output.name, disable=not accelerator.is_main_process)
    with bar:
        for scalars in _steps(accelerator, model, optimizer, task.data, settings, progress):
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
            if progress.step % settings.checkpoint_every == 0 or progress.step == settings.steps:
                checkpoints.save(accelerator, progress.step)
    if accelerator.is_main_process:
        with _evaluation(accelerator, task.model, trained, ema):
            _export(task, output)
    accelerator.wait_for_everyone()
    accelerator.end_training()


def _export(task: Task, output: Path) -> None:
    try:
        task.export()
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
            if settings.largest_gradient and accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), settings.largest_gradient)
            optimizer.step()
            optimizer.zero_grad()
        parts.append(torch.stack([scalar.detach().float() for scalar in scalars.values()]))
        if accelerator.sync_gradients:
            means = accelerator.reduce(torch.stack(parts).mean(dim=0), "mean").tolist()
            parts.clear()
            averaged = dict(zip(scalars, means, strict=True))
            progress.step += 1
            progress.samples += step_samples
            if not np.isfinite(averaged["loss"]):
                raise DivergedError(f"the loss is {averaged['loss']} at step {progress.step}; lower the learning rate")
            yield averaged | {"learning_rate": learning_rate}


def _reseed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))


@contextmanager
def _evaluation(
    accelerator: Accelerator, model: nn.Module, trained: Mapping[str, nn.Parameter], ema: EMAModel | None
) -> Iterator[None]:
    """Evaluation mode, no gradients, the run's precision and, where there is one, the running mean of the weights."""
    model.eval()
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
