"""`train`: CFLD by a configuration file. One process, or under `accelerate launch` as many as there are GPUs."""

import argparse
from pathlib import Path

from . import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what and how to train; see configs/")


def run(arguments: argparse.Namespace) -> None:
    try:
        from ..training.train import TrainSettings, train
    except ModuleNotFoundError as error:
        raise missing_requirement(error) from error
    from ..config import CheckpointError
    from ..data.pairs import DataError
    from ..training.loop import DivergedError
    from ..training.settings import SettingsError, read_settings

    show_log()
    try:
        train(read_settings(arguments.config, TrainSettings))
    except (SettingsError, DataError, CheckpointError, DivergedError) as error:
        raise CommandError(f"{arguments.config}: {error}") from error


def missing_requirement(error: ModuleNotFoundError) -> CommandError:
    return CommandError(f"{error.name} is not installed; run 'pip install -r requirements-train.txt'")


def show_log() -> None:
    """Let the library's log reach the terminal: rows that are left out, and where training goes on."""
    import logging

    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfld").setLevel(logging.INFO)
