"""`demo`: the bundled demo model moves a mannequin into six poses, with nothing downloaded."""

import argparse
import sys
from pathlib import Path

from .sampling import seed_of_text, steps_of_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo.png"), help="sheet to write (%(default)s)")
    parser.add_argument(
        "--person", type=seed_of_text, default=14, metavar="N",
        help="which of the people that the model was not trained on, from 0 (%(default)s: of 50, whom it moves best)",
    )
    parser.add_argument("--steps", type=steps_of_text, default=4, help="1 to 1000 (%(default)s)")
    parser.add_argument("--seed", type=seed_of_text, default=3407, help="of the noise (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from ..evaluation.demo import make_demo

    make_demo(arguments.out, arguments.person, arguments.steps, arguments.seed)
    sys.stdout.write(f"{arguments.out}: source, pose, result and truth\n")
