"""`demo`: the bundled demo model puts a bundled person into seven poses, with nothing downloaded."""

import argparse
import sys
from pathlib import Path

from ..demo_people import PEOPLE
from ..errors import StepsError
from . import number, option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo.png"), help="sheet to write (%(default)s)")
    parser.add_argument(
        "--person", type=number("CountOrNone", "number of a person"), default=4, metavar="N",
        help=f"which of the {PEOPLE} bundled people, from 0 (%(default)s); the model was not trained on them",
    )
    parser.add_argument("--steps", type=number("Steps", "number of steps"), default=2, help="1 to 1000 (%(default)s)")
    parser.add_argument("--seed", type=number("Seed", "seed"), default=3407, help="of the noise (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from ..evaluation.demo import make_demo

    with option("--steps", StepsError):
        make_demo(arguments.out, arguments.person, arguments.steps, arguments.seed)
    sys.stdout.write(f"{arguments.out}: photo, pose, result alone and with the photo's texture, truth\n")
