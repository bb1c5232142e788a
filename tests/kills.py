"""Part of `make soak`, `python -m tests.kills [COMMAND ...]`: commands killed at any moment, then finished.

After each kill whatever file has its name is whole; the last run ends as one that nobody disturbed. `get` downloads.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from cfld_modules.checkpoints.blazepose_file import BLAZEPOSE_FILE
from cfld_modules.checkpoints.tensor_files import read_tensors
from cfld_modules.photographs import check_photograph
from tests import golden, tiny_models
from tests.bundled_people import write_people
from tests.micro_run import configuration

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo_model"
UNFINISHED = (".part", ".before")
READERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": read_tensors, ".jpg": check_photograph, ".png": check_photograph,
    ".json": lambda file: json.loads(file.read_bytes()),
    ".yaml": lambda file: yaml.safe_load(file.read_bytes())["output"],
    ".csv": lambda file: file.read_text().splitlines()[0], ".bin": lambda file: torch.load(file, weights_only=True),
}  # fmt: skip


def check_whole(folder: Path) -> int:
    """How many files are there under their names; raises what their reader does where one is not whole."""
    files = [file for file in folder.rglob("*") if file.suffix in READERS and file.is_file()]
    finished = [file for file in files if not any(part.endswith(UNFINISHED) for part in file.relative_to(folder).parts)]
    for file in finished:
        READERS[file.suffix](file)
    return len(finished)


def prepare(folder: Path) -> None:
    write_people(folder / "people", people=3, test_people=1, pictures=2)
    tiny_models.tiny_autoencoder().save_pretrained(folder / "autoencoder")
    golden.write_authors_pair(folder / "authors")


def convert(folder: Path, out: Path) -> list[object]:
    return ["convert", folder / "authors", out / "cfld.safetensors"]


def train(folder: Path, out: Path) -> list[object]:
    content = configuration(folder, out / "run", {"steps": 12, "checkpoint_every": 2})
    (folder / "train.yaml").write_text(yaml.safe_dump(content))
    return ["train", folder / "train.yaml"]


def distil(folder: Path, out: Path) -> list[object]:
    content = {
        "output": str(out / "run"), "rank": 2,
        "data": {"format": "deepfashion", "root": str(folder / "people")},
        "teacher": {"base": str(DEMO / "base"), "cfld": str(DEMO / "cfld.safetensors")},
        "training": {"steps": 4, "batch_size": 1, "checkpoint_every": 1, "sheet_every": 0},
    }  # fmt: skip
    (folder / "distil.yaml").write_text(yaml.safe_dump(content))
    return ["distil", folder / "distil.yaml"]


def augment(folder: Path, out: Path) -> list[object]:
    return ["augment", "--base", DEMO / "base", "--cfld", DEMO / "cfld.safetensors", "--data", folder / "people",
            "--pictures", 1, "--out", out / "set", "--size", "88x128", "--steps", 2, "--scheduler", "ddim",
            "--min-distance", 0]  # fmt: skip


def get(folder: Path, out: Path) -> list[object]:
    return ["get", "blazepose", "--models", out]


COMMANDS = {command.__name__: command for command in (convert, train, distil, augment, get)}
# Of whichever command, however often it was killed.
SAME_BYTES = ("cfld.safetensors", "manifest.csv", "summary.json", BLAZEPOSE_FILE)


def start(arguments: list[object]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cfld_modules", *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}, text=True,
    )  # fmt: skip


def finish(arguments: list[object]) -> None:
    process = start(arguments)
    _, said = process.communicate()
    assert process.returncode == 0, said


def trouble(name: str, kills: int, folder: Path) -> str:
    """Kills the command that often; what came of it, in a line."""
    command, alone, out = COMMANDS[name], folder / f"{name} alone", folder / name
    for one in (alone, out):
        one.mkdir()
    begun = time.monotonic()
    finish(command(folder, alone))
    lasts, killed, found = time.monotonic() - begun, 0, 0
    for number in range(kills):
        process = start(command(folder, out))
        try:
            process.communicate(timeout=random.Random(number).uniform(0.1, 1.0) * lasts)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
        found = max(found, check_whole(out))
    finish(command(folder, out))
    for file in alone.rglob("*"):
        other = out / file.relative_to(alone)
        if file.is_file() and "tensorboard" not in file.parts:
            assert other.exists(), f"{other} is missing"
            assert name == "train" or file.name not in SAME_BYTES or file.read_bytes() == other.read_bytes(), other
    whole = check_whole(out)
    return f"{name}: killed {killed} times of {kills}, up to {found} whole files meanwhile, {whole} in the end"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--kills", type=int, default=10, help="of each command (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        prepare(Path(temporary))
        for name in arguments.commands:
            sys.stdout.write(f"{trouble(name, arguments.kills, Path(temporary))}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
