"""`python -m cfld_modules get ...`: networks that others published, fetched when somebody asks for them."""

import argparse
import sys
from pathlib import Path

from . import CommandError, option

DETECTORS_FOLDER = "annotators"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be got to the parser of `get`."""
    things = parser.add_subparsers(dest="thing", required=True, metavar="THING")
    summary = "the detector of Detect Pose that needs no other package (10 MB; 36 MB are downloaded)"
    blazepose = things.add_parser("blazepose", help=summary, description=summary)
    blazepose.add_argument(
        "--models", type=Path, metavar="FOLDER",
        help="ComfyUI's folder 'models'; not needed where this pack is in ComfyUI's custom_nodes",
    )


def run(arguments: argparse.Namespace) -> None:
    models = arguments.models or _models_of_comfyui()
    if not models.is_dir():
        raise CommandError(f"--models: '{models}' is no folder; give the folder 'models' of ComfyUI")

    from ..checkpoints.blazepose_file import BLAZEPOSE_FILE, get_blazepose
    from ..errors import CheckpointError

    folder = models / DETECTORS_FOLDER
    was_there = (folder / BLAZEPOSE_FILE).exists()
    with option("blazepose", CheckpointError):
        file = get_blazepose(folder)
    sys.stdout.write(f"{file}: {'was there already' if was_there else f'{file.stat().st_size / 1e6:.0f} MB'}\n")


def _models_of_comfyui() -> Path:
    """The `models` of the ComfyUI that this pack is a custom node of."""
    custom_nodes = Path(__file__).parents[3]
    if custom_nodes.name != "custom_nodes":
        raise CommandError(
            f"--models is needed, since {Path(__file__).parents[2]} is not in the custom_nodes of a ComfyUI; give the "
            "folder 'models' of ComfyUI"
        )
    return custom_nodes.parent / "models"
