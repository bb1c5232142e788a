"""The command line: `python -m cfld_modules COMMAND ...`; a command's module has `add_arguments` and `run`.

Only the module of the command that is called is imported, so that help and wrong commands are answered at once.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .commands import CommandError
from .errors import shortened

COMMANDS = {
    "transfer": "put the person of a photo into another pose",
    "get": "download a detector of people, BlazePose",
    "convert": "make one small .safetensors from the authors' two .bin files",
    "demo": "move a bundled person into seven poses, with nothing downloaded",
    "data": "make data sets",
    "train": "train CFLD on pairs of pictures",
    "train-autoencoder": "train the small autoencoder of a model from scratch",
    "train-lifter": "train what puts a pose's joints in space, so that it can be turned",
    "train-upscaler": "train a small network that draws pictures twice as large",
    "distil": "train a LoRA with which few steps of one row do",
    "curves": "draw the losses of a training run",
    "augment": "make a set for person re-identification: people in other poses",
    "evaluate": "measure results on a data set's test pairs",
    "evaluate-turning": "measure how well poses are put in space and turned",
}
"""What each does, by its name, which is its module's with hyphens. A package may leave modules out."""

_TRAININGS = ("train-autoencoder", "train-lifter", "train-upscaler", "distil")  # are `train`'s


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2, as for every other mistake of the user."""
        self.exit(2, f"{self.prog}: error: {message}; --help lists the options\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` without the program's name, sys.argv's when None.

    Returns the exit code: 0, 2 for a mistake of the user's (told in one line on stderr), 130 when interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = _Parser(prog="python -m cfld_modules", description="CFLD: pose-guided person image synthesis.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if (Path(__file__).parent / "commands" / f"{_module_name(name)}.py").exists():
            command_parser = commands.add_parser(name, help=summary, description=summary)
            if name in argv[:1]:
                _module(name).add_arguments(command_parser)
    arguments = parser.parse_args(argv)
    try:
        _module(arguments.command).run(arguments)
    except (CommandError, OSError) as error:
        sys.stderr.write(f"{shortened(f'python -m cfld_modules {arguments.command}: error: {error}')}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _module_name(command: str) -> str:
    return "train" if command in _TRAININGS else command.replace("-", "_")


def _module(command: str) -> ModuleType:
    return import_module(f".commands.{_module_name(command)}", __package__)
