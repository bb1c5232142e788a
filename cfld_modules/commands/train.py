"""`train`, `train-autoencoder`, `train-lifter`, `train-upscaler` and `distil`: training by a configuration file.

One process, or under `accelerate launch` as many as there are GPUs.
"""

import argparse
from importlib import import_module
from pathlib import Path

from . import option
from .training import show_log, training_requirements

TRAININGS = {
    "train": ("train", "TrainSettings"),
    "train-autoencoder": ("autoencoder", "AutoencoderSettings"),
    "train-lifter": ("lifter", "LifterSettings"),
    "train-upscaler": ("upscaler", "UpscalerSettings"),
    "distil": ("distil", "DistilSettings"),
}
"""By command the module in `training`, and the settings in it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what and how to train; see configs/")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes",
        help="settings in place of the file's, such as training.steps=100",
    )


def run(arguments: argparse.Namespace) -> None:
    module, name = TRAININGS[arguments.command]
    with training_requirements():
        if arguments.command == "distil":
            import peft  # noqa: F401 (missed before hours of a teacher's work, not after)

        settings_type = getattr(import_module(f"..training.{module}", __package__), name)
        from ..training.loop import DivergedError
        from ..training.run_settings import train
    from ..errors import CheckpointError, DataError, SettingsError
    from ..settings import read_settings

    show_log()
    with option(str(arguments.config), SettingsError, DataError, CheckpointError, DivergedError):
        train(read_settings(arguments.config, settings_type, arguments.changes))
