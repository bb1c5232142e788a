"""`train`: CFLD by a configuration file. One process, or under `accelerate launch` as many as there are GPUs."""

import argparse
from pathlib import Path

from . import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what and how to train; see configs/")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes",
        help="settings in place of the file's, such as training.steps=100",
    )


def run(arguments: argparse.Namespace) -> None:
    try:
        from ..training.train import TrainSettings, train
    except ModuleNotFoundError as error:
        raise missing_requirement(error) from error
    from ..data.pairs import DataError
    from ..networks.config import CheckpointError
    from ..settings import SettingsError, read_settings
    from ..training.loop import DivergedError

    show_log()
    try:
        train(read_settings(arguments.config, TrainSettings, arguments.changes))
    except (SettingsError, DataError, CheckpointError, DivergedError) as error:
        raise CommandError(f"{arguments.config}: {error}") from error


def missing_requirement(error: ModuleNotFoundError) -> CommandError:
    return CommandError(f"{error.name} is not installed; run 'pip install -r requirements-train.txt'")


def show_log() -> None:
    """Let the library's log reach the terminal: rows that are left out, and where training goes on."""
    import logging

    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfld").setLevel(logging.INFO)
