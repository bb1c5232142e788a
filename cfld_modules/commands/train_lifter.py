"""`train-lifter`: the small network that puts a pose's joints in space, so that it can be turned."""

import argparse

from .training import add_configuration, run_training, training_requirements

add_arguments = add_configuration


def run(arguments: argparse.Namespace) -> None:
    with training_requirements():
        from ..training.lifter import LifterSettings
    run_training(LifterSettings, arguments)
