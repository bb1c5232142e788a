"""`train-autoencoder`: the small autoencoder that a model trained from scratch builds on."""

import argparse

from .training import add_configuration, run_training, training_requirements

add_arguments = add_configuration


def run(arguments: argparse.Namespace) -> None:
    with training_requirements():
        from ..training.autoencoder import AutoencoderSettings
    run_training(AutoencoderSettings, arguments)
