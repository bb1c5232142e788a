"""What the commands that train, draw and measure share: their packages, and the log in the terminal."""

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import CommandError


@contextmanager
def training_requirements() -> Iterator[None]:
    """Around the imports of what requirements-train.txt installs: what is missing becomes a CommandError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed; run 'pip install -r requirements-train.txt'") from error


def drawing_requirements(what: str) -> None:
    """Raises CommandError, naming what of it is missing, where people cannot be drawn for `what`, such as an option."""
    if not (Path(__file__).parents[1] / "people").is_dir():
        raise CommandError(f"{what}: the registry's package comes without it; use a clone of the repository")
    if missing := [name for name in ("anny", "roma", "trimesh", "vtkmodules") if not importlib.util.find_spec(name)]:
        raise CommandError(
            f"{what}: {', '.join(missing)} cannot be imported; install them with "
            "'python -m pip install --no-deps anny roma trimesh vtk'"
        )


def show_log() -> None:
    """Let the library's log reach the terminal: rows that are left out, and where training goes on."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfld").setLevel(logging.INFO)
