"""`python -m cfld_modules data people`: makes a data set."""

import argparse
import os
import sys
from pathlib import Path

from . import number, option
from .training import drawing_requirements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    people = commands.add_parser(
        "people", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        help="draw believable people in many poses, with exact key points and silhouettes; needs anny and VTK",
    )
    people.add_argument("--out", type=Path, required=True, help="folder to write, in the layout of DeepFashion")
    count, pictures, processes = (number("Count", f"number of {what}") for what in ("people", "pictures", "processes"))
    people.add_argument("--count", type=count, required=True, help="people to train on")
    people.add_argument("--test-count", type=count, default=50, help="people, in poses of their own, to test on")
    people.add_argument("--pictures", type=pictures, default=8, help="pictures of each person to train on")
    people.add_argument(
        "--height", type=number("Side", "height in pixels"), default=256, help="of the pictures; the width follows"
    )
    people.add_argument(
        "--garments", type=Path, metavar="FOLDER", help="MakeHuman's assets; without them people wear plain cuts"
    )
    people.add_argument("--processes", type=processes, default=os.cpu_count() or 1, help="that draw at once")


def run(arguments: argparse.Namespace) -> None:
    drawing_requirements("data people")
    from ..data.people_writer import write_people
    from ..people.garments import GarmentError

    with option("--count, --test-count, --pictures, --height or --garments", ValueError, GarmentError):
        pictures = write_people(
            arguments.out, arguments.garments, arguments.count, arguments.test_count, arguments.pictures,
            arguments.processes, arguments.height,
        )
    people = arguments.count + arguments.test_count
    sys.stdout.write(f"{pictures} pictures of {people} people are in {arguments.out}\n")
