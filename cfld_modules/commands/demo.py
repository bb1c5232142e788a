"""`demo`: the bundled demo model moves a mannequin into six poses, with nothing downloaded."""

import argparse
import sys
from pathlib import Path

from ..errors import StepsError
from . import number, option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo.png"), help="sheet to write (%(default)s)")
    parser.add_argument(
        "--person", type=number("CountOrNone", "number of a person"), default=14, metavar="N",
        help="which of the people that the model was not trained on, from 0 (%(default)s: of 50, whom it moves best)",
    )
    parser.add_argument("--steps", type=number("Steps", "number of steps"), default=4, help="1 to 1000 (%(default)s)")
    parser.add_argument("--seed", type=number("Seed", "seed"), default=3407, help="of the noise (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from ..evaluation.demo import make_demo

    with option("--steps", StepsError):
        make_demo(arguments.out, arguments.person, arguments.steps, arguments.seed)
    sys.stdout.write(f"{arguments.out}: source, pose, result and truth\n")
