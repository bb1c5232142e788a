"""BlazePose's two networks out of a file: MediaPipe's wheel, one of its .task bundles, or a .safetensors of ours.

A wheel and a bundle are zip files, and their networks are found in them by what they take and give, whatever they are
called. As an installed package the wheel would bring its own numpy, OpenCV and jax along; here it is a file.
"""

import dataclasses
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from ..errors import CheckpointError, MissingDetectorError, shortened
from ..poses.detection.blazepose import PICTURES, RESULTS, BlazePose
from ..poses.detection.graph import Graph, GraphLayout, Network
from ..poses.detection.graph_check import check_network
from .tensor_files import BoundedReads, read_metadata, read_tensors, write_tensors
from .tflite_file import IDENTIFIER, TFLiteFile

BLAZEPOSE_FILE = "blazepose.safetensors"
FILES = (BLAZEPOSE_FILE, "*.whl", "*.task")
"""What is looked for, the first first."""
WHEEL = "mediapipe==0.10.21"
"""0.10.30 and later carry no networks. Any system's wheel will do, since the networks inside are the same."""
WHEEL_OPTIONS = "--no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3.11"

MOST_MEMBERS = 5_000  # of a zip file; the wheel has 760
MOST_NETWORK_BYTES = 40_000_000  # BlazePose's largest has 27 million
PART_BYTES = 1_000_000
MOST_UNPACKED, ROOM_OF_SMALL_FILES = 4, 1_000_000  # times the zip file's size and bytes: of all its networks unpacked
LONGEST_REASON = 80

Networks = Mapping[str, Network]
"""`detector` and `landmarks`, checked, float32, on the CPU."""


def read_blazepose(file: Path) -> Networks:
    """The networks in a file of any of `FILES`, prepared to run; or CheckpointError where it holds something else."""
    return {name: network.prepared() for name, network in _checked(file).items()}


def load_blazepose(folders: Sequence[Path], read: Callable[[Path], Networks] = read_blazepose) -> BlazePose:
    """BlazePose from the first file in the folders that holds it, on the CPU; `read` may remember its results.

    Raises MissingDetectorError without such a file, CheckpointError of the first where none holds it undamaged.
    """
    refusal: CheckpointError | None = None
    for file in (file for pattern in FILES for folder in folders for file in sorted(folder.glob(pattern))):
        try:
            return BlazePose(**{name: Graph(network) for name, network in read(file).items()})
        except CheckpointError as error:  # the bundle of another task may lie beside BlazePose's
            refusal = refusal or error
    raise refusal or MissingDetectorError(f"no file of BlazePose's is there; get it by: {how_to_get(folders[0])}")


def how_to_get(folder: Path) -> str:
    """The one line to type."""
    return f'pip download {WHEEL_OPTIONS} -d "{folder}" {WHEEL}'


def convert_blazepose(source: Path, file: Path) -> None:
    """Writes a wheel's or bundle's networks as a .safetensors: a third of its size, read faster; or CheckpointError."""
    tensors: dict[str, torch.Tensor] = {}
    metadata = {"format": "blazepose", "license": "Apache-2.0, Copyright The MediaPipe Authors"}
    for name, network in _checked(source).items():
        tensors |= {f"{name}.{number}": weight for number, weight in network.weights.items()}
        metadata[name] = json.dumps(dataclasses.asdict(network.layout))
    write_tensors(file, tensors, metadata)


def _checked(file: Path) -> Networks:
    try:
        networks = _read_safetensors(file) if file.suffix.lower() == ".safetensors" else _read_zip(file)
        for name, network in networks.items():
            if not all(weight.sum(dtype=torch.float32).isfinite() for weight in network.weights.values()):
                raise ValueError(f"its {name} network holds NaN, infinite or huge numbers")
            check_network(network, PICTURES[name], RESULTS[name])
    except Exception as error:  # of a damaged file, whatever zipfile, safetensors or we ran into
        in_words = isinstance(error, ValueError | zipfile.BadZipFile | OSError)
        reason = shortened(str(error) if in_words else repr(error), LONGEST_REASON)
        raise CheckpointError(
            f"'{file.name}' does not hold BlazePose's networks or is damaged ({reason}); take it away and get it by: "
            f"{how_to_get(file.parent)}"
        ) from error
    return networks


def _read_safetensors(file: Path) -> Networks:
    metadata, tensors = read_metadata(file), read_tensors(file)
    networks = {}
    for name in RESULTS:
        weights = {int(key.removeprefix(f"{name}.")): tensors[key] for key in tensors if key.startswith(f"{name}.")}
        networks[name] = Network(GraphLayout.of_json(json.loads(metadata[name])), weights)
    return networks


def _read_zip(file: Path) -> Networks:
    networks: dict[str, Network] = {}
    for content in _tflite_members(file):
        try:
            graph = TFLiteFile(content)
            name, outputs = _recognize(graph)
        except (ValueError, LookupError):  # a network of another task
            continue
        networks[name] = graph.network(outputs)
        if networks.keys() == RESULTS.keys():
            return networks
    missing_networks = " and ".join(name for name in RESULTS if name not in networks)
    raise ValueError(f"its {missing_networks} cannot be found; MediaPipe 0.10.30 and later carry none")


def _recognize(graph: TFLiteFile) -> tuple[str, dict[str, int]]:
    """Which network it is by what it takes and gives, and the numbers of the results that are read here."""
    input_shape, outputs_by_shape = graph.shape(graph.input), {graph.shape(number): number for number in graph.outputs}
    for name, results in RESULTS.items():
        if input_shape == PICTURES[name] and outputs_by_shape.keys() >= set(results.values()):
            return name, {result: outputs_by_shape[shape] for result, shape in results.items()}
    raise ValueError("it is not BlazePose's")


def _tflite_members(file: Path) -> Iterator[bytes]:
    """The .tflite files in a zip file, by their first bytes; no more is unpacked than what such files can be."""
    bytes_left = MOST_UNPACKED * file.stat().st_size + ROOM_OF_SMALL_FILES
    with BoundedReads(file) as bounded_file, zipfile.ZipFile(bounded_file) as archive:
        if len(archive.infolist()) > MOST_MEMBERS:
            raise ValueError(f"it has more than {MOST_MEMBERS} members")
        for member in archive.infolist():
            is_encrypted = member.flag_bits & 1
            if is_encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                continue
            with archive.open(member) as member_stream:
                content = bytearray(member_stream.read(8))
                if content[4:] != IDENTIFIER:
                    continue
                bytes_left -= member.file_size
                if bytes_left < 0 or member.file_size > MOST_NETWORK_BYTES:
                    raise ValueError(f"its networks unpack to more than {MOST_UNPACKED} times its size")
                while part := member_stream.read(PART_BYTES):  # read() alone unpacks beyond the size that is declared
                    content += part
                yield bytes(content)
