"""`python -m cfld_modules data ...`: commands that make data sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..mannequins.benchmark import write_mannequins
from . import number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands of `data` to its parser."""
    commands = parser.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    mannequins = commands.add_parser(
        "mannequins",
        help="draw synthetic people in many poses, with exact key points and silhouettes",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    mannequins.add_argument("--out", type=Path, required=True, help="folder to write, in the layout of DeepFashion")
    mannequins.add_argument(
        "--count", type=number("Count", "number of people"), required=True,
        help="people to train on",
    )
    mannequins.add_argument(
        "--test-count", type=number("Count", "number of people"), default=50,
        help="people, in poses of their own, to test on",
    )
    mannequins.add_argument(
        "--pictures", type=number("Count", "number of pictures"), default=5,
        help="pictures of each person",
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the subcommand that was parsed."""
    write_mannequins(arguments.out, arguments.count, arguments.test_count, arguments.pictures)
    people = arguments.count + arguments.test_count
    sys.stdout.write(f"{people * arguments.pictures} pictures of {people} mannequins are in {arguments.out}\n")
