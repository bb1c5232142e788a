"""Checkpoints of a run: whole or not there at all, the latest few kept."""

import logging
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..checkpoints.atomic_files import replace_folder
from ..errors import CheckpointError

TRAINED = "trained.safetensors"

logger = logging.getLogger("cfld")


@dataclass(frozen=True)
class RunCheckpoints:
    """Folders `step-<number>` with accelerate's state of a run; only the last `keep` stay."""

    folder: Path
    keep: int

    def finished(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name))

    def load_latest(self, accelerator: Accelerator) -> Path | None:
        """Put the latest checkpoint that can be read into what was prepared, and return it; None where there is none.

        Called by every process: all take the same, the latest that all can read.

        Raises:
            CheckpointError: when there are some and none can be read.
        """
        finished = self.finished()
        for folder in reversed(finished):
            reason = ""
            try:
                accelerator.load_state(str(folder))
            except Exception as error:  # of a damaged file, the unpickler can raise anything
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

    def save(self, accelerator: Accelerator, step: int) -> None:
        """Called by every process. What is being written has another name until it is whole.

        Raises:
            CheckpointError: when it cannot be written, say on a full disk; those before stay.
        """
        finished = self.folder / f"step-{step:08d}"
        unfinished = finished.with_suffix(".part")
        if accelerator.is_main_process:
            for leftover in self.folder.glob("step-*.part"):
                shutil.rmtree(leftover)
        accelerator.wait_for_everyone()
        try:
            accelerator.save_state(str(unfinished))
        except (OSError, RuntimeError, SafetensorError) as error:  # torch's and the libraries' kinds of a full disk
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CheckpointError(
                f"'{finished}' cannot be written ({error}); make room on the disk and run the same command again, "
                "which goes on from the checkpoint before"
            ) from error
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            replace_folder(unfinished, finished)
            for old in self.finished()[: -self.keep]:
                shutil.rmtree(old)
        accelerator.wait_for_everyone()


def checkpoint_only(accelerator: Accelerator, trained: Mapping[str, torch.nn.Parameter], states: Iterable) -> None:
    """Make accelerate's checkpoints hold these parameters and states: what is frozen need not be saved every time."""

    def save(models: list, weights: list, folder: str) -> None:
        weights.clear()
        if accelerator.is_main_process:
            tensors = {name: parameter.detach().contiguous() for name, parameter in trained.items()}
            save_file(tensors, f"{folder}/{TRAINED}")

    def load(models: list, folder: str) -> None:
        models.clear()
        saved = load_file(f"{folder}/{TRAINED}")
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(saved[name])

    accelerator.register_save_state_pre_hook(save)
    accelerator.register_load_state_pre_hook(load)
    accelerator.register_for_checkpointing(*states)
