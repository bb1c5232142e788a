"""`convert`: the authors' two .bin files to one .safetensors with what CFLD trained."""

import argparse
import sys
from pathlib import Path

from . import DTYPES, CommandError, option, torch_dtype


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "authors_folder", type=Path, metavar="AUTHORS_FOLDER",
        help="the folder with pytorch_model.bin and pytorch_model_1.bin",
    )
    parser.add_argument("out", type=Path, metavar="OUT.safetensors", help="the file to write")
    parser.add_argument(
        "--dtype", choices=tuple(DTYPES), default="fp32",
        help="precision of the numbers: %(default)s, the authors', if not given; fp16 and bf16 are half as large",
    )


def run(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    if out.suffix.lower() != ".safetensors":
        raise CommandError(f"OUT: '{out}' must end in .safetensors")
    if not out.parent.is_dir() or out.is_dir():
        raise CommandError(f"OUT: '{out}' cannot be written; give a file in a folder that exists")

    from safetensors import SafetensorError
    from tqdm import tqdm

    from ..checkpoints.cfld_checkpoint import convert_checkpoint
    from ..errors import CheckpointError

    with option("AUTHORS_FOLDER", CheckpointError), option("OUT", OSError, SafetensorError):
        convert_checkpoint(
            arguments.authors_folder, out, torch_dtype(arguments.dtype),
            lambda names: tqdm(names, desc="convert", unit="tensor"),
        )
    sys.stdout.write(f"{out}: {out.stat().st_size / 1e6:.0f} MB\n")
