"""`demo`: a transfer with nothing downloaded, to see that everything runs."""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo.png"), help="sheet to write (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from ..demo import WARNING, make_demo

    sys.stdout.write(f"{WARNING}; the result is noise and shows only that the whole path runs\n")
    make_demo(arguments.out)
    sys.stdout.write(f"{arguments.out}: source, target pose and result\n")
