"""`train-autoencoder`: the small autoencoder that a model trained from scratch builds on."""

import argparse
from pathlib import Path

from . import CommandError
from .train import missing_requirement, show_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what and how to train; see configs/")


def run(arguments: argparse.Namespace) -> None:
    try:
        from ..training.autoencoder import AutoencoderSettings, train_autoencoder
    except ModuleNotFoundError as error:
        raise missing_requirement(error) from error
    from ..data.pairs import DataError
    from ..training.loop import DivergedError
    from ..training.settings import SettingsError, read_settings

    show_log()
    try:
        train_autoencoder(read_settings(arguments.config, AutoencoderSettings))
    except (SettingsError, DataError, DivergedError) as error:
        raise CommandError(f"{arguments.config}: {error}") from error
