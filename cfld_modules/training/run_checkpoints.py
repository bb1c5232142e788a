"""Checkpoints of a run: tensors and numbers alone, whole or not there at all, the latest few kept."""

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file

from ..checkpoints.atomic_files import replace_folder
from ..checkpoints.tensor_files import write_tensors
from ..errors import CheckpointError, short

TRAINED, MOMENTS, MEAN, NUMBERS = "trained.safetensors", "optimizer.safetensors", "ema.safetensors", "run.json"

logger = logging.getLogger("cfld")


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step, samples: optimiser steps made and samples seen.
        usual_loss: running mean of the loss, None before the first step.
    """

    step: int = 0
    samples: int = 0
    usual_loss: float | None = None


@dataclass(frozen=True)
class RunState:
    """All that a run goes on with. What is random hangs on the seed and the sample's number, so it is no part of it."""

    trained: Mapping[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer
    progress: Progress
    ema: EMAModel | None = None
    scaler: torch.amp.GradScaler | None = None

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        write_tensors(folder / TRAINED, {name: parameter.detach() for name, parameter in self.trained.items()})
        moments = {
            f"{name}.{kind}": tensor
            for name, parameter in self.trained.items()
            for kind, tensor in self.optimizer.state.get(parameter, {}).items()
        }
        write_tensors(folder / MOMENTS, moments)
        numbers = {"progress": asdict(self.progress)}
        if self.ema:
            write_tensors(folder / MEAN, dict(zip(self.trained, self.ema.shadow_params, strict=True)))
            numbers["ema_steps"] = self.ema.optimization_step
        if self.scaler:
            numbers["scaler"] = self.scaler.state_dict()
        (folder / NUMBERS).write_text(json.dumps(numbers), encoding="utf-8")

    def read(self, folder: Path) -> None:
        """Everything is read and checked before anything is changed.

        Raises:
            Exception: of whatever kind, where a file is missing, damaged, or of another run.
        """
        numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        progress = Progress(**numbers["progress"])
        trained, moments = self._checked(load_file(folder / TRAINED)), load_file(folder / MOMENTS)
        by_parameter: dict[str, dict[str, torch.Tensor]] = {name: {} for name in self.trained}
        for name, tensor in moments.items():
            of_parameter, _, kind = name.rpartition(".")
            by_parameter[of_parameter][kind] = tensor
        mean = self._checked(load_file(folder / MEAN)) if self.ema else {}
        ema_steps = int(numbers["ema_steps"]) if self.ema else 0
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(trained[name])
                self.optimizer.state[parameter] = {
                    kind: torch.empty_like(parameter).copy_(tensor) if tensor.ndim else tensor.to(parameter.device)
                    for kind, tensor in by_parameter[name].items()
                }
        if self.ema:
            self.ema.shadow_params = [mean[name].to(parameter.device) for name, parameter in self.trained.items()]
            self.ema.optimization_step = ema_steps
        if self.scaler:
            self.scaler.load_state_dict(numbers["scaler"])
        self.progress.__dict__.update(asdict(progress))

    def _checked(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        for name, parameter in self.trained.items():
            if name not in tensors or tensors[name].shape != parameter.shape:
                raise CheckpointError(f"it has no tensor {short(name)} of the shape {tuple(parameter.shape)}")
        return tensors


@dataclass(frozen=True)
class RunCheckpoints:
    """Folders `step-<number>` with the state of a run; only the last `keep` stay."""

    folder: Path
    keep: int

    def finished(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name))

    def load_latest(self, state: RunState) -> Path | None:
        """Put the latest checkpoint that can be read into the state, and return it; None where there is none.

        Called by every process: all take the same, the latest that all can read.

        Raises:
            CheckpointError: when there are some and none can be read.
        """
        finished = self.finished()
        for folder in reversed(finished):
            reason = ""
            try:
                state.read(folder)
            except Exception as error:  # of a damaged file, the library can raise anything
                reason = " ".join(str(error).split())[:200] or type(error).__name__
            reasons = [one for one in gather_object([reason]) if one]
            if not reasons:
                return folder
            logger.warning("%s is damaged (%s); the one before it is taken", folder, reasons[0])
        if finished:
            raise CheckpointError(
                f"none of the checkpoints in '{self.folder}' can be read; remove that folder to begin anew"
            )
        return None

    def save(self, accelerator: Accelerator, state: RunState) -> None:
        """Called by every process; the main one writes. What is being written has another name until it is whole.

        Raises:
            CheckpointError: when it cannot be written, say on a full disk; those before stay.
        """
        if accelerator.is_main_process:
            finished = self.folder / f"step-{state.progress.step:08d}"
            unfinished = finished.with_suffix(".part")
            for leftover in self.folder.glob("step-*.part"):
                shutil.rmtree(leftover)
            try:
                unfinished.mkdir(parents=True)
                state.write(unfinished)
                replace_folder(unfinished, finished)
            except OSError as error:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise CheckpointError(
                    f"'{finished}' cannot be written ({error}); make room on the disk and run the same command again, "
                    "which goes on from the checkpoint before"
                ) from error
            for old in self.finished()[: -self.keep]:
                shutil.rmtree(old)
        accelerator.wait_for_everyone()
