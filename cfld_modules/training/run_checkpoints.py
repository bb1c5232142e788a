"""Checkpoints of a run: whole or not there at all, the latest few kept."""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

TRAINED = "trained.safetensors"


@dataclass(frozen=True)
class RunCheckpoints:
    """Folders `step-<number>` with accelerate's state of a run; only the last `keep` stay."""

    folder: Path
    keep: int

    def finished(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name))

    def save(self, accelerator: Accelerator, step: int) -> None:
        """Called by every process. What is being written has another name until it is whole."""
        finished = self.folder / f"step-{step:08d}"
        unfinished = finished.with_suffix(".part")
        if accelerator.is_main_process:
            shutil.rmtree(unfinished, ignore_errors=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(unfinished))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            unfinished.rename(finished)
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
