"""CFLD checkpoints: the authors' pair of .bin files, and one .safetensors with only what CFLD trained.

Files are told apart by their keys and shapes, never by name (docs/method.md, section 9).
"""

import copy
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..networks.config import APPEARANCE_BLOCKS, CFLDConfig, read_config
from ..networks.model import CFLD
from .tensor_files import PICKLED, are_finite, not_finite, read_tensors, write_tensors

Tensors = dict[str, torch.Tensor]

FORMAT = "cfld"
FORMAT_VERSION = "1"
PORTION_BYTES = 32_000_000  # of numbers that a conversion reads before it lets go of them
BUFFERS = re.compile(r"\.(relative_position_index|attn_mask)$")  # in the authors' file; the networks compute them
HALVES = "the authors' two files belong together in one folder: pytorch_model.bin and pytorch_model_1.bin"


def key_value_name(block: int, part: str) -> str:
    """diffusers' name of a trained matrix: `part` is 'k' or 'v', `block` 3..11 as in LDM's output_blocks."""
    return f"up_blocks.{block // 3}.attentions.{block % 3}.transformer_blocks.0.attn2.to_{part}.weight"


KEY_VALUE_NAMES = tuple(key_value_name(block, part) for block in sorted(APPEARANCE_BLOCKS) for part in "kv")


@dataclass(frozen=True)
class Checkpoint:
    """What CFLD trained.

    config: sizes, read from the shapes.
    networks: state dict of `model.CFLD`, published names, buffers left out.
    key_values: {diffusers name: matrix (width, context width)}, the 18 trained U-Net tensors.
    """

    config: CFLDConfig
    networks: dict[str, torch.Tensor]
    key_values: dict[str, torch.Tensor]

    @cached_property
    def empty_networks(self) -> CFLD:
        """The networks of that size on the meta device."""
        try:
            with torch.device("meta"):
                return CFLD(self.config).requires_grad_(False).train(False)
        except (ArithmeticError, RuntimeError, ValueError) as error:  # say a width that its heads do not divide
            raise CheckpointError(f"its tensors' shapes fit no CFLD: {error}") from error


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a folder with the authors' pair, either file of the pair, or a .safetensors made by `convert`.

    Tensors of the .bin files stay memory-mapped; of the 3.4 GB U-Net only 18 tensors are ever touched. Raises
    CheckpointError naming the file, what is wrong with it and what to place instead.
    """
    path = Path(path)
    with _named(path):
        networks, key_values = _read(path)
        return checked_checkpoint(_config_of(networks), networks, key_values)


def convert_checkpoint(
    path: str | os.PathLike, out: str | os.PathLike, dtype: torch.dtype | None = None,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter, may_replace: bool = True,
) -> None:
    """Write what `load_checkpoint` reads as one .safetensors, holding `PORTION_BYTES` of its numbers at a time.

    dtype, progress, may_replace: as of `save_checkpoint`. Raises CheckpointError as of `load_checkpoint`; nothing is
        written then.
    """
    path = Path(path)
    with _named(path):
        networks, key_values = ({name: tensor.to("meta") for name, tensor in part.items()} for part in _read(path))
        shapes = _checked_shapes(_config_of(networks), networks, key_values)
        save_checkpoint(out, shapes, dtype, progress, _read_in_portions(path), may_replace)


def build_networks(checkpoint: Checkpoint) -> CFLD:
    """The networks with the checkpoint's tensors put in as they are (no copy; dtype is the file's)."""
    networks = copy.deepcopy(checkpoint.empty_networks)
    try:
        networks.load_state_dict(checkpoint.networks, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"its tensors do not fit together: {error}") from error
    return networks.requires_grad_(False)


def cast(networks: CFLD, dtype: torch.dtype) -> None:
    """Gives weights of other types this one, all in one block of memory, which goes back to the system with them.

    Of many small blocks the C library keeps most: of 992 MB that were let go of, 770 to 1100 stayed with the process
    (benchmarks/memory.py).

    Raises CheckpointError for a weight that is not finite in it.
    """
    parameters = {name: parameter for name, parameter in networks.named_parameters() if parameter.dtype != dtype}
    sizes = [parameter.numel() for parameter in parameters.values()]
    block = torch.empty(sum(sizes), dtype=dtype)
    for (name, parameter), part in zip(parameters.items(), block.split(sizes), strict=True):
        weight = part.view_as(parameter).copy_(parameter)
        if not are_finite(weight):
            raise not_finite(name, parameter, dtype)
        parameter.data = weight


def save_checkpoint(
    path: str | os.PathLike, checkpoint: Checkpoint, dtype: torch.dtype | None = None,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    read: Callable[[str], torch.Tensor] | None = None, may_replace: bool = True,
) -> None:
    """Write one .safetensors, whole or not at all. dtype, progress, read, may_replace: as of `write_tensors`."""
    metadata = {"format": FORMAT, "version": FORMAT_VERSION, "config": json.dumps(asdict(checkpoint.config))}
    tensors = _tensors(checkpoint.networks, checkpoint.key_values)
    write_tensors(Path(path), tensors, metadata, dtype, progress, read, may_replace)


def _read_in_portions(path: Path) -> Callable[[str], torch.Tensor]:
    """Reads tensors by name. A file counts as memory as far as it was read, until it is mapped anew."""
    tensors: Tensors = {}
    left = 0

    def read(name: str) -> torch.Tensor:
        nonlocal tensors, left
        if left <= 0:
            tensors.clear()
            tensors, left = _tensors(*_read(path)), PORTION_BYTES
        left -= tensors[name].nbytes
        _check_finite(name, tensors[name])
        return tensors[name]

    return read


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors inside name the file, which has to exist."""
    if not path.exists():
        raise CheckpointError(
            f"'{path.name}' does not exist; give the folder with the authors' two files, or a .safetensors made by "
            "'python -m cfld_modules convert'"
        )
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"'{path.name}' cannot be used: {error}") from error


def _tensors(networks: Tensors, key_values: Tensors) -> Tensors:
    """All of them, by the names in a converted file."""
    return {**networks, **{f"unet.{name}": tensor for name, tensor in key_values.items()}}


def _read(path: Path) -> tuple[Tensors, Tensors]:
    """Of the networks and of the U-Net; no number of the .bin files is read yet."""
    return _read_converted(path) if path.suffix.lower() == ".safetensors" else _read_authors_pair(path)


def _read_converted(path: Path) -> tuple[Tensors, Tensors]:
    tensors = read_tensors(path)
    if "learnable_vector" not in tensors:
        raise CheckpointError(
            "it is a .safetensors file, but not one made by 'python -m cfld_modules convert'; make one from the "
            "authors' folder, or choose another file"
        )
    key_values = {name: tensors.pop(f"unet.{name}") for name in KEY_VALUE_NAMES if f"unet.{name}" in tensors}
    return tensors, key_values


def _read_authors_pair(path: Path) -> tuple[Tensors, Tensors]:
    """The pair in the folder `path`, or in the folder of the file `path`, which then must be half of it."""
    folder = path if path.is_dir() else path.parent
    networks: dict[str, Tensors] = {}
    unets: dict[str, Tensors] = {}
    errors = ""
    for file in sorted(file for file in folder.iterdir() if file.suffix.lower() in PICKLED):
        try:
            state = read_tensors(file)
        except CheckpointError as error:
            # Beside the pair lie an optimiser's state and anything else; such a file matters only if a half is missing.
            if file == path:
                raise
            errors += f" ({error})"
            continue
        if "learnable_vector" in state:
            networks[file.name] = {name: tensor for name, tensor in state.items() if not BUFFERS.search(name)}
        elif all(f"model.{name}" in state for name in KEY_VALUE_NAMES):
            unets[file.name] = {name: state[f"model.{name}"] for name in KEY_VALUE_NAMES}
        elif file == path:
            raise CheckpointError(f"it holds no CFLD tensors; {HALVES}")
    for half, files in (("pytorch_model.bin (the encoders)", networks), ("pytorch_model_1.bin (the U-Net)", unets)):
        if not files:
            raise CheckpointError(f"{half} is missing; {HALVES}{errors}")
        if len(files) > 1:
            raise CheckpointError(f"{' and '.join(files)} are all a {half}; keep one pair in a folder")
    return next(iter(networks.values())), next(iter(unets.values()))


def _config_of(networks: Tensors) -> CFLDConfig:
    return read_config({name: tuple(tensor.shape) for name, tensor in networks.items()})


def checked_checkpoint(config: CFLDConfig, networks: Tensors, key_values: Tensors) -> Checkpoint:
    """Names and shapes first, so that most of what is no CFLD is a CheckpointError before any number is read."""
    checkpoint = _checked_shapes(config, networks, key_values)
    for name, tensor in _tensors(networks, key_values).items():
        _check_finite(name, tensor)
    return checkpoint


def _checked_shapes(config: CFLDConfig, networks: Tensors, key_values: Tensors) -> Checkpoint:
    """By names, shapes and types alone."""
    checkpoint = Checkpoint(config, networks, key_values)
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.empty_networks.state_dict().items()}
    if missing := shapes.keys() - networks.keys():
        raise CheckpointError(f"{len(missing)} tensors are missing, the first is '{min(missing)}'; copy it again")
    if extra := networks.keys() - shapes.keys():
        raise CheckpointError(f"{len(extra)} tensors are not CFLD's, the first is '{min(extra)}'")
    if missing := set(KEY_VALUE_NAMES) - key_values.keys():
        raise CheckpointError(f"{len(missing)} of the 18 U-Net matrices are missing, the first is '{min(missing)}'")
    widths = [width for width in reversed(config.appearance.output_widths) for _ in range(6)]
    shapes |= {name: (width, config.decoder.width) for name, width in zip(KEY_VALUE_NAMES, widths, strict=True)}
    tensors = networks | key_values
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"'{name}' has shape {tuple(tensors[name].shape)}, not {shape}; it is no known CFLD")
        if not tensors[name].is_floating_point():
            raise CheckpointError(f"'{name}' holds {tensors[name].dtype}, not floating point numbers")
    return checkpoint


def _check_finite(name: str, tensor: torch.Tensor) -> None:
    if not are_finite(tensor):
        raise not_finite(name, tensor, tensor.dtype)
