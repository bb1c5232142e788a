"""A run by its settings, kept beside it, so that it is only ever continued as it was begun, and by one process."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml

from ..checkpoints.atomic_files import written_whole
from ..errors import SettingsError
from ..settings import plain_settings, read_settings
from .loop import FREE_SETTINGS, build_accelerator, run_training

FREE = {"output", "export_dtype", *(f"training.{name}" for name in FREE_SETTINGS)}
LOCK = "running.lock"


def train(settings: Any) -> None:
    """Run a configuration to its end. Writes, beside what the loop does, `config.yaml`, and in the end the export.

    Args:
        settings: with `output`, `training`, the settings of the loop, and `task`, which makes the loop's of them.

    Raises:
        SettingsError: when another process trains into the folder; see also `keep_settings`.
        SettingsError, DataError, CheckpointError: about settings, data set and given files.
        DivergedError: see `loop.run_training`.
    """
    accelerator = build_accelerator(settings.training, settings.output)
    with sole_trainer(settings.output) if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            keep_settings(settings, settings.output)
        torch.manual_seed(settings.training.seed)
        run_training(accelerator, settings.training, settings.output, settings.task(accelerator))


@contextmanager
def sole_trainer(output: Path) -> Iterator[None]:
    """Hold a lock in the folder, which the system gives back however the process ends.

    Where the file system has no locks, nobody is kept out.

    Raises:
        SettingsError: when another process holds it.
    """
    output.mkdir(parents=True, exist_ok=True)
    with open(output / LOCK, "ab") as stream:
        try:
            _lock(stream.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise SettingsError(
                f"another process trains into '{output}'; wait for it, or give another output"
            ) from error
        except OSError:
            pass
        yield


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def keep_settings(settings: Any, output: Path) -> None:
    """Write `output`/config.yaml.

    Raises:
        SettingsError: when there is a run with other settings, other than how long it is and how often it is saved, or
            its settings cannot be read.
    """
    file = output / "config.yaml"
    settings_now = plain_settings(settings)
    if file.exists():
        try:
            settings_before = dict(_flat(plain_settings(read_settings(file, type(settings))), ""))
        except SettingsError as error:
            raise SettingsError(
                f"{error}. It should hold the settings that the run in '{output}' was begun with: put them there, or "
                "give another output"
            ) from error
        differences = [
            name for name, value in _flat(settings_now, "") if settings_before.get(name) != value and name not in FREE
        ]
        if differences:
            raise SettingsError(
                f"'{output}' is a run with another {', '.join(differences)}; give another output, or put that back"
            )
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        stream.write(yaml.safe_dump(settings_now, sort_keys=False, allow_unicode=True).encode())


def _flat(settings: Mapping, prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
