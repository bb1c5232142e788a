"""`curves`: the losses of a training run as a picture."""

import argparse
from pathlib import Path

from .training import training_requirements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the output folder of 'train' or 'train-autoencoder'")
    parser.add_argument("out", type=Path, metavar="OUT.png", help="the picture to write")


def run(arguments: argparse.Namespace) -> None:
    with training_requirements():
        from ..training.curves import draw_curves
    draw_curves(arguments.run, arguments.out)
