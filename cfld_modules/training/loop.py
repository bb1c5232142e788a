"""The training loop: accelerate, checkpoints that are never half-written, scalars and sample sheets.

Everything random about sample n of a run hangs on the seed and n alone (`TrainingData`), and what else draws random
numbers (stochastic depth) is reseeded at each step. So a resumed run goes on exactly as it would have without the
break, and P processes with batches of B see what one would with batches of P*B.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

WARMUP_START = 0.1
LEARNING_RATE_DROP = 0.1
BETAS = (0.9, 0.999)

logger = logging.getLogger("cfld")


@dataclass(frozen=True)
class LoopSettings:
    """How to optimise. The defaults are the paper's (facts sheet, section 11), except for what hangs on the machine.

    Attributes:
        steps: optimiser steps in all.
        batch_size: samples for each process and each backward pass.
        warmup_steps: steps over which the learning rate grows from a tenth.
        drop_at: step from which on the learning rate is a tenth; never where not given.
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
    """What is trained.

    Attributes:
        model: called with a batch, gives scalars by name, of which `loss` is minimised; its parameters that require a
            gradient are trained.
    """

    model: nn.Module
    data: TrainingData

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
    """Of the step with that number, counted from 0 (facts sheet, section 11)."""
    if settings.drop_at is not None and step >= settings.drop_at:
        return LEARNING_RATE_DROP
    return min(1.0, WARMUP_START + (1 - WARMUP_START) * (step + 1) / max(settings.warmup_steps, 1))


def run_training(settings: LoopSettings, output: Path, task: Task) -> None:
    """Train from the latest checkpoint in `output`, or from the start; ends with a checkpoint, a sheet and the export.

    Writes `checkpoints/step-<number>/`, `tensorboard/` and `sheets/step-<number>.png` below `output`.

    Raises:
        DivergedError: when the loss becomes NaN or infinite.
    """
    accelerator = Accelerator(
        mixed_precision=settings.mixed_precision, gradient_accumulation_steps=settings.gradient_accumulation,
        log_with="tensorboard", project_dir=output,
    )
    task.model.to(accelerator.device)
    trained = {name: p for name, p in task.model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), lr=settings.learning_rate, betas=BETAS)
    model, optimizer = accelerator.prepare(task.model, optimizer)
    progress, ema = Progress(), EMAModel(list(trained.values()), decay=settings.ema_decay) if settings.ema_decay else None
    _checkpoint_only(accelerator, trained, [progress, *([ema] if ema else [])])
    checkpoints = Checkpoints(output / "checkpoints", settings.keep_checkpoints)
    if latest := checkpoints.latest():
        accelerator.load_state(str(latest))
        logger.info("training goes on from %s", latest)
    accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": progress.step + 1}})

    def show() -> None:
        if accelerator.is_main_process:
            picture, scores = _evaluating(task.model, trained, ema, task.sheet, accelerator)
            (output / "sheets").mkdir(exist_ok=True)
            picture.save(output / "sheets" / f"step-{progress.step:08d}.png")
            accelerator.log(scores, progress.step)
        accelerator.wait_for_everyone()

    bar = tqdm(total=settings.steps, initial=progress.step, desc=output.name, disable=not accelerator.is_main_process)
    with bar:
        for scalars in _steps(accelerator, model, optimizer, task, settings, progress):
            if ema:
                ema.step(trained.values())
            accelerator.log(scalars, progress.step)
            bar.set_postfix(loss=f"{scalars['loss']:.4f}")
            bar.update()
            if settings.sheet_every and progress.step % settings.sheet_every == 0:
                show()
            if progress.step % settings.checkpoint_every == 0 or progress.step == settings.steps:
                checkpoints.save(accelerator, progress.step)
    if accelerator.is_main_process:
        _evaluating(task.model, trained, ema, task.export, accelerator)
    accelerator.wait_for_everyone()
    accelerator.end_training()
