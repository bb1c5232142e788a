"""`distil`: trains a LoRA that samples in a few steps without guidance. Also under `accelerate launch`."""

import argparse

from .training import add_configuration, run_training, training_requirements

add_arguments = add_configuration


def run(arguments: argparse.Namespace) -> None:
    with training_requirements():
        import peft  # noqa: F401 (missed before hours of a teacher's work, not after)

        from ..training.distil import DistilSettings
    run_training(DistilSettings, arguments)
