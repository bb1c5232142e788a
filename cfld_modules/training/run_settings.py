"""The settings of a run, kept beside it, so that a run is only ever continued as it was begun."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..checkpoints.atomic_files import written_whole
from ..errors import SettingsError
from ..settings import plain_settings, read_settings
from .loop import FREE_SETTINGS

FREE = {"output", *(f"training.{name}" for name in FREE_SETTINGS)}


def keep_settings(settings: Any, output: Path) -> None:
    """Write `output`/config.yaml.

    Raises:
        SettingsError: when there is a run with other settings, other than how long it is and how often it is saved, or
            its settings cannot be read.
    """
    file = output / "config.yaml"
    now = plain_settings(settings)
    if file.exists():
        try:
            before = dict(_flat(plain_settings(read_settings(file, type(settings))), ""))
        except SettingsError as error:
            raise SettingsError(
                f"{error}. It should hold the settings that the run in '{output}' was begun with: put them there, or "
                "give another output"
            ) from error
        changed = [name for name, value in _flat(now, "") if before.get(name) != value and name not in FREE]
        if changed:
            raise SettingsError(
                f"'{output}' is a run with another {', '.join(changed)}; give another output, or put that back"
            )
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        stream.write(yaml.safe_dump(now, sort_keys=False, allow_unicode=True).encode())


def _flat(settings: Mapping, prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
