"""Files of tensors: of any bytes, they are read or refused with CheckpointError, at a cost fit for their size."""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import torch
from hypothesis import strategies as st
from safetensors.torch import save

from cfld_modules.checkpoints.appearance_file import load_appearance, save_appearance
from cfld_modules.checkpoints.blazepose_file import read_blazepose
from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES, Checkpoint, build_networks, load_checkpoint
from cfld_modules.errors import CheckpointError
from cfld_modules.networks.config import (
    AppearanceConfig,
    CFLDConfig,
    DecoderConfig,
    PoseAdapterConfig,
    SourceEncoderConfig,
    read_config,
)
from cfld_modules.networks.model import CFLD, Appearance
from cfld_modules.pipeline.lora import fuse_lora
from cfld_modules.poses.detection.blazepose import PICTURES, BlazePose
from cfld_modules.poses.detection.graph import Graph
from tests import golden, tiny_models
from tests.fuzz.mutations import CHANGES, SCALARS, change_bytes
from tests.fuzz.target import Target
from tests.smallest_blazepose import (
    bundle_content,
    safetensors_content,
    smallest_blazepose,
    smallest_bundle,
    smallest_tflite,
)

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-checkpoints-"))
PIECES = [b"c", b"cos\nsystem\n", b"cbuiltins\nbytearray\n", b"R", b"(", b"t", b".", b"]" * 900, b"J\xff\xff\xff\x7f",
          b"\x8a\xff", b"X\xff\xff\xff\x7f", b"N", b"q\x00", b"h\x00", b"}", b"s", b"b", b"2" * 900, b"\x80\x05",
          b'"F32"', b'"F8_E5M2"', b"-1", b"[", b"{", b"9" * 25, b"PK\x05\x06"]  # fmt: skip
SMALLEST = CFLDConfig(  # 373,236 numbers
    source=SourceEncoderConfig(image_size=64, width=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=2),
    appearance=AppearanceConfig(inner_widths=(32, 32, 32), output_widths=(32, 32, 32), depth=1),
    decoder=DecoderConfig(queries=4, width=32, depth=1, heads=1), pose=PoseAdapterConfig(widths=(32, 32, 32)),
)


@lru_cache
def networks() -> CFLD:
    """The goldens' tiny CFLD."""
    state = golden.networks_state()
    config = read_config({name: tuple(tensor.shape) for name, tensor in state.items()})
    return build_networks(Checkpoint(config, state, {}))


def _header_changed(content: bytes, changes: list[int], pieces: list[bytes]) -> bytes:
    """A .safetensors of which the table of names is changed, with the right length before it, or the metadata are."""
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    for change in changes[:2]:
        random = Random(change)
        name = random.choice(list(table))
        match random.randrange(4):
            case 0:
                del table[name]
            case 1:
                table[random.choice(list(table) or ["x"]) + random.choice(("", "x"))] = table.pop(name)
            case 2 if isinstance(table[name], dict) and table[name]:
                table[name][random.choice(list(table[name]))] = random.choice((*SCALARS[:-4], [], [1], [2**40], "F16"))
            case 3 if "__metadata__" in table:
                metadata = table["__metadata__"]
                key = random.choice(list(metadata) or ["x"])
                changed = change_bytes(str(metadata.get(key)).encode(), [change + 1], pieces)
                metadata[key] = changed.decode(errors="ignore")
    header = change_bytes(json.dumps(table).encode(), changes[2:], pieces)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _pickle_changed(content: bytes, changes: list[int], pieces: list[bytes]) -> bytes:
    """A torch.save file of which the pickle is changed, in a zip that is right again."""
    return _member_changed(content, changes, pieces, "data.pkl")


def _network_changed(content: bytes, changes: list[int], pieces: list[bytes]) -> bytes:
    """A bundle of which one network is changed, in a zip that is right again."""
    return _member_changed(content, changes, pieces, ("pose_detector.tflite", "detector.tflite")[sum(changes) % 2])


def _member_changed(content: bytes, changes: list[int], pieces: list[bytes], ending: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(stream, "w") as written:
        for name in archive.namelist():
            member = archive.read(name)
            written.writestr(name, change_bytes(member, changes, pieces) if name.endswith(ending) else member)
    return stream.getvalue()


Way = Callable[[bytes, list[int], list[bytes]], bytes]


def _inputs(content: bytes, rebuilt: Way = change_bytes) -> st.SearchStrategy[bytes]:
    ways = st.sampled_from((change_bytes, rebuilt))
    return st.builds(lambda way, changes: way(content, changes, PIECES), ways, CHANGES)


def _saved(state: dict, **options: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream, **options)
    return stream.getvalue()


def _reader(name: str, load: Callable[[Path], object], beside: bytes = b"") -> Callable[[bytes], object]:
    """`load` of a file, for its content; the file has company."""

    def read(content: bytes) -> object:
        file = FOLDER / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        if beside:
            (file.parent / "beside.bin").write_bytes(beside)
        return load(file)

    return read


def _load_checkpoint(file: Path) -> object:
    return build_networks(load_checkpoint(file))


def _load_appearance(file: Path) -> object:
    return load_appearance(file, networks())


def _wheel() -> bytes:
    """Networks among what else MediaPipe's wheel has, some of it stored and some of it no network of BlazePose's."""
    modules = "mediapipe/modules"
    return bundle_content({
        "mediapipe/__init__.py": b"x = 1\n", "mediapipe-0.10.21.dist-info/RECORD": b"mediapipe/__init__.py,,\n",
        f"{modules}/palm_detection/palm_detection_full.tflite": smallest_tflite("landmarks")[:900],
        f"{modules}/pose_detection/pose_detection.tflite": smallest_tflite("detector"),
        f"{modules}/pose_landmark/pose_landmark_detector.tflite": smallest_tflite("landmarks"),
    })  # fmt: skip


def _run_blazepose(file: Path) -> object:
    """What is read must run."""
    networks = {name: Graph(network) for name, network in read_blazepose(file).items()}
    with torch.no_grad():
        networks["landmarks"](torch.zeros(PICTURES["landmarks"]))
        return BlazePose(**networks).find_people(np.zeros((9, 9, 3), np.uint8))


def _fuse_lora(file: Path) -> None:
    fuse_lora(_unet(), file)


def _person() -> bytes:
    generator = torch.Generator().manual_seed(1)
    config, file = networks().config, FOLDER / "person.safetensors"
    prompt = torch.randn(1, config.context_tokens, config.decoder.width, generator=generator)
    with torch.no_grad():
        encoded = networks().encode_source(torch.zeros(1, 3, config.source.image_size, config.source.image_size))
    save_appearance(file, networks(), Appearance(prompt, encoded.residuals), [])
    return file.read_bytes()


@lru_cache
def _unet() -> torch.nn.Module:
    return tiny_models.tiny_unet()


def _lora() -> bytes:
    file = FOLDER / "made.safetensors"
    tiny_models.write_lora(file)
    return file.read_bytes()


def _networks_and_unet() -> tuple[dict, dict]:
    """As the authors' two files have them."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        networks = {name: tensor.detach() for name, tensor in CFLD(SMALLEST).state_dict().items()}
    return networks, {f"model.{name}": torch.ones(32, 32) for name in KEY_VALUE_NAMES}


SMALL = {name: torch.zeros(1) for name in golden.networks_state()}
FEW = dict(list(SMALL.items())[:9])
NETWORKS, UNET = _networks_and_unet()
WHOLE = save(NETWORKS | {name.replace("model", "unet", 1): tensor for name, tensor in UNET.items()})
OLD = {"_use_new_zipfile_serialization": False}
BOUNDS = dict(most_calls=500_000, calls_a_byte=10, most_memory=50_000_000, memory_a_byte=10)
OWN = (CheckpointError,)
TARGETS = {
    "safetensors": Target(
        _inputs(save(SMALL), _header_changed) | _inputs(WHOLE, _header_changed),
        _reader("x.safetensors", _load_checkpoint), OWN, **BOUNDS,
    ),
    "bin": Target(
        _inputs(_saved(FEW), _pickle_changed) | _inputs(_saved(NETWORKS), _pickle_changed),
        _reader("zip/x.bin", _load_checkpoint, _saved(UNET)), OWN, **BOUNDS,
    ),
    "old_bin": Target(
        _inputs(_saved(FEW, **OLD)) | _inputs(_saved(NETWORKS, **OLD)),
        _reader("old/x.bin", _load_checkpoint, _saved(UNET)), OWN, **BOUNDS,
    ),
    "appearances": Target(
        _inputs(_person(), _header_changed), _reader("x.safetensors", _load_appearance), OWN, **BOUNDS
    ),
    "blazepose": Target(
        _inputs(safetensors_content(smallest_blazepose()), _header_changed),
        _reader("x.safetensors", _run_blazepose), OWN, **BOUNDS,
    ),
    "wheels": Target(_inputs(_wheel(), _network_changed), _reader("x.whl", _run_blazepose), OWN, **BOUNDS),
    "bundles": Target(
        _inputs(smallest_bundle(), _network_changed), _reader("x.task", _run_blazepose), OWN, **BOUNDS
    ),
    "loras": Target(
        _inputs(_lora(), _header_changed), _reader("x.safetensors", _fuse_lora), OWN, **BOUNDS | {"memory_a_byte": 100},
    ),
}  # fmt: skip
