"""`train-autoencoder`: the small autoencoder that a model trained from scratch builds on."""

import argparse

from . import CommandError
from .train import add_configuration, missing_requirement, show_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)


def run(arguments: argparse.Namespace) -> None:
    try:
        from ..training.autoencoder import AutoencoderSettings, train_autoencoder
    except ModuleNotFoundError as error:
        raise missing_requirement(error) from error
    from ..data.pairs import DataError
    from ..settings import SettingsError, read_settings
    from ..training.loop import DivergedError

    show_log()
    try:
        train_autoencoder(read_settings(arguments.config, AutoencoderSettings, arguments.changes))
    except (SettingsError, DataError, DivergedError) as error:
        raise CommandError(f"{arguments.config}: {error}") from error
