"""The command line: `python -m cfld_modules COMMAND ...`, each command a module with `add_arguments` and `run`.

Such a module imports nothing slow before `run`, so that help and wrong arguments are answered at once.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from .commands import (
    CommandError,
    augment,
    convert,
    curves,
    data,
    demo,
    distil,
    evaluate,
    evaluate_turning,
    get,
    train,
    train_autoencoder,
    train_lifter,
    transfer,
)
from .errors import shortened

COMMANDS = {
    "transfer": (transfer, "put the person of a photo into another pose"),
    "get": (get, "download a detector of people, BlazePose"),
    "convert": (convert, "make one small .safetensors from the authors' two .bin files"),
    "demo": (demo, "move a mannequin into six poses, with nothing downloaded"),
    "data": (data, "make data sets"),
    "train": (train, "train CFLD on pairs of pictures"),
    "train-autoencoder": (train_autoencoder, "train the small autoencoder of a model from scratch"),
    "train-lifter": (train_lifter, "train what puts a pose's joints in space, so that it can be turned"),
    "distil": (distil, "train a LoRA with which few steps of one row do"),
    "curves": (curves, "draw the losses of a training run"),
    "augment": (augment, "make a set for person re-identification: people in other poses"),
    "evaluate": (evaluate, "measure results on a data set's test pairs"),
    "evaluate-turning": (evaluate_turning, "measure how well poses are put in space and turned"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2, as for every other mistake of the user."""
        self.exit(2, f"{self.prog}: error: {message}; --help lists the options\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m cfld_modules", description="CFLD: pose-guided person image synthesis.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` without the program's name, sys.argv's when None.

    Returns the exit code: 0, 2 for a mistake of the user's (told in one line on stderr), 130 when interrupted.
    """
    arguments = build_parser().parse_args(argv)
    try:
        COMMANDS[arguments.command][0].run(arguments)
    except (CommandError, OSError) as error:
        sys.stderr.write(f"{shortened(f'python -m cfld_modules {arguments.command}: error: {error}')}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
