"""`python -m cfld_modules get ...`: networks that others published, fetched when somebody asks for them."""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from . import CommandError, option

DETECTORS_FOLDER = "annotators"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
LICENCE = "mediapipe-0.10.21.dist-info/LICENSE"
LICENCE_FILE = "blazepose.LICENSE.txt"
NOTICE = """\
blazepose.safetensors holds two networks of MediaPipe 0.10.21 (https://github.com/google-ai-edge/mediapipe),
pose_detection.tflite and pose_landmark_full.tflite, Copyright The MediaPipe Authors, under the Apache License 2.0
below. Changed by ComfyUI-CFLD: sparse weights are written out, and the file format is another.

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    thing_parsers = parser.add_subparsers(dest="thing", required=True, metavar="THING")
    summary = "the detector of Detect Pose that needs no other package (12 MB; 36 MB are downloaded)"
    blazepose = thing_parsers.add_parser("blazepose", help=summary, description=summary)
    blazepose.add_argument(
        "--models", type=Path, metavar="FOLDER",
        help="ComfyUI's folder 'models'; not needed where this pack is in ComfyUI's custom_nodes",
    )


def run(arguments: argparse.Namespace) -> None:
    models = arguments.models or _models_of_comfyui()
    if not models.is_dir():
        raise CommandError(f"--models: '{models}' is no folder; give the folder 'models' of ComfyUI")

    from ..checkpoints.blazepose_file import BLAZEPOSE_FILE

    file = models / DETECTORS_FOLDER / BLAZEPOSE_FILE
    existed = file.exists()
    if not existed:
        with tempfile.TemporaryDirectory() as downloads:
            put_blazepose(_download_wheel(Path(downloads)), file)
    sys.stdout.write(f"{file}: {'was there already' if existed else f'{file.stat().st_size / 1e6:.0f} MB'}\n")


def put_blazepose(wheel: Path, file: Path) -> None:
    """The networks of MediaPipe's wheel as a .safetensors, and their licence beside it, in a folder that is made."""
    from ..checkpoints.blazepose_file import WHEEL, convert_blazepose
    from ..errors import CheckpointError

    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise CommandError(
            f"blazepose: {wheel.name} is not the wheel of {WHEEL} that is known here; nothing was written. See which "
            "index pip is set to"
        )
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(LICENCE).decode()
    file.parent.mkdir(parents=True, exist_ok=True)
    (file.parent / LICENCE_FILE).write_text(NOTICE + licence, encoding="utf-8")
    with option("blazepose", CheckpointError):
        convert_blazepose(wheel, file)


def _models_of_comfyui() -> Path:
    """The `models` of the ComfyUI that this pack is a custom node of."""
    custom_nodes = Path(__file__).parents[3]
    if custom_nodes.name != "custom_nodes":
        raise CommandError(
            f"--models is needed, since {Path(__file__).parents[2]} is not in the custom_nodes of a ComfyUI; give the "
            "folder 'models' of ComfyUI"
        )
    return custom_nodes.parent / "models"


def _download_wheel(folder: Path) -> Path:
    """By pip, from the index that it is set to."""
    from ..checkpoints.blazepose_file import BLAZEPOSE_FILE, WHEEL, WHEEL_OPTIONS

    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
        *WHEEL_OPTIONS.split(), "--dest", str(folder), WHEEL,
    ]  # fmt: skip
    pip = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        reason = " ".join(pip.stderr.split())[-250:]
        raise CommandError(
            f"blazepose: pip could not download {WHEEL}: {reason}. Try again with a connection to a package index, or "
            f"get {BLAZEPOSE_FILE} on another machine and copy it"
        )
    return wheels[0]
