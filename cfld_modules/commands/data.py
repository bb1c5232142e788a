"""`python -m cfld_modules data ...`: commands that make data sets."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from ..mannequins.benchmark import write_mannequins
from . import CommandError, number, option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands of `data` to its parser."""
    commands = parser.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    mannequins = _add_data_set(
        commands, "mannequins", "draw synthetic people in many poses, with exact key points and silhouettes"
    )
    pictures = number("Count", "number of pictures")
    mannequins.add_argument("--pictures", type=pictures, default=5, help="pictures of each person")
    people = _add_data_set(
        commands, "people",
        "draw believable people in many poses, with exact key points and silhouettes; needs anny and VTK",
    )
    people.add_argument("--pictures", type=pictures, default=8, help="pictures of each person to train on")
    people.add_argument(
        "--garments", type=Path, metavar="FOLDER", help="MakeHuman's assets; without them people wear plain cuts"
    )
    processes = number("Count", "number of processes")
    people.add_argument("--processes", type=processes, default=os.cpu_count() or 1, help="that draw at once")


def _add_data_set(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write, in the layout of DeepFashion")
    count = number("Count", "number of people")
    parser.add_argument("--count", type=count, required=True, help="people to train on")
    parser.add_argument("--test-count", type=count, default=50, help="people, in poses of their own, to test on")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Runs the subcommand that was parsed."""
    if arguments.data_set == "people":
        _run_people(arguments)
        return
    write_mannequins(arguments.out, arguments.count, arguments.test_count, arguments.pictures)
    people = arguments.count + arguments.test_count
    sys.stdout.write(f"{people * arguments.pictures} pictures of {people} mannequins are in {arguments.out}\n")


def _run_people(arguments: argparse.Namespace) -> None:
    if not (Path(__file__).parents[1] / "people").is_dir():
        raise CommandError("data people: the registry's package comes without it; use a clone of the repository")
    if missing := [name for name in ("anny", "roma", "trimesh", "vtkmodules") if not importlib.util.find_spec(name)]:
        raise CommandError(
            f"data people: {', '.join(missing)} cannot be imported; install them with "
            "'python -m pip install --no-deps anny roma trimesh vtk'"
        )
    from ..data.people_writer import write_people
    from ..people.garments import GarmentError

    with option("--count, --test-count, --pictures or --garments", ValueError, GarmentError):
        pictures = write_people(
            arguments.out, arguments.garments, arguments.count, arguments.test_count, arguments.pictures,
            arguments.processes,
        )
    people = arguments.count + arguments.test_count
    sys.stdout.write(f"{pictures} pictures of {people} people are in {arguments.out}\n")
