"""The settings of a run, kept beside it, so that a run is only ever continued as it was begun."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..settings import SettingsError, plain_settings
from .loop import FREE_SETTINGS

FREE = {"output", *(f"training.{name}" for name in FREE_SETTINGS)}


def keep_settings(settings: Any, output: Path) -> None:
    """Write `output`/config.yaml.

    Raises:
        SettingsError: when there is a run with other settings, other than how long it is and how often it is saved.
    """
    file = output / "config.yaml"
    now = plain_settings(settings)
    if file.exists():
        before = dict(_flat(yaml.safe_load(file.read_text(encoding="utf-8")), ""))
        changed = [name for name, value in _flat(now, "") if before.get(name) != value and name not in FREE]
        if changed:
            raise SettingsError(
                f"'{output}' is a run with another {', '.join(changed)}; give another output, or put that back"
            )
    output.mkdir(parents=True, exist_ok=True)
    unfinished = output / "config.yaml.part"
    unfinished.write_text(yaml.safe_dump(now, sort_keys=False), encoding="utf-8")
    unfinished.replace(file)


def _flat(settings: Mapping, prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
