"""What the training commands share: a configuration file, its settings, and a user's mistakes told in one line."""

import argparse
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import CommandError, option


def add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what and how to train; see configs/")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes",
        help="settings in place of the file's, such as training.steps=100",
    )


@contextmanager
def training_requirements() -> Iterator[None]:
    """Around the imports of what requirements-train.txt installs: what is missing becomes a CommandError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed; run 'pip install -r requirements-train.txt'") from error


def drawing_requirements(what: str) -> None:
    """What draws people must be there.

    Args:
        what: it is for, such as an option.

    Raises:
        CommandError: naming what is missing.
    """
    if not (Path(__file__).parents[1] / "people").is_dir():
        raise CommandError(f"{what}: the registry's package comes without it; use a clone of the repository")
    if missing := [name for name in ("anny", "roma", "trimesh", "vtkmodules") if not importlib.util.find_spec(name)]:
        raise CommandError(
            f"{what}: {', '.join(missing)} cannot be imported; install them with "
            "'python -m pip install --no-deps anny roma trimesh vtk'"
        )


def run_training(settings_type: type, arguments: argparse.Namespace) -> None:
    """Train by the configuration file and the changes of `add_configuration`'s arguments.

    Raises:
        CommandError: names the file, for settings, data or checkpoints that cannot be used and a loss that diverges.
    """
    from ..errors import CheckpointError, DataError, SettingsError
    from ..settings import read_settings
    from ..training.loop import DivergedError
    from ..training.run_settings import train

    show_log()
    with option(str(arguments.config), SettingsError, DataError, CheckpointError, DivergedError):
        train(read_settings(arguments.config, settings_type, arguments.changes))


def show_log() -> None:
    """Let the library's log reach the terminal: rows that are left out, and where training goes on."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfld").setLevel(logging.INFO)
