"""`train`: CFLD by a configuration file. One process, or under `accelerate launch` as many as there are GPUs."""

import argparse

from .training import add_configuration, run_training, training_requirements

add_arguments = add_configuration


def run(arguments: argparse.Namespace) -> None:
    with training_requirements():
        from ..training.train import TrainSettings
    run_training(TrainSettings, arguments)
