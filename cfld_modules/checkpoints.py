"""CFLD checkpoints: the authors' pair of .bin files, and one .safetensors with only what CFLD trained.

Files are told apart by their keys and shapes, never by name (facts sheet, section 9).
"""

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .config import APPEARANCE_BLOCKS, CFLDConfig, CheckpointError, read_config
from .model import CFLD
from .swin import BUFFERS, SourceEncoder

FORMAT = "cfld"
FORMAT_VERSION = "1"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
HALVES = "the authors' two files belong together in one folder: pytorch_model.bin and pytorch_model_1.bin"


def key_value_name(block: int, part: str) -> str:
    """diffusers' name of a trained matrix: `part` is 'k' or 'v', `block` 3..11 as in LDM's output_blocks."""
    return f"up_blocks.{block // 3}.attentions.{block % 3}.transformer_blocks.0.attn2.to_{part}.weight"


KEY_VALUE_NAMES = tuple(key_value_name(block, part) for block in sorted(APPEARANCE_BLOCKS) for part in "kv")


@dataclass(frozen=True)
class Checkpoint:
    """What CFLD trained.

    Attributes:
        config: sizes, read from the shapes.
        networks: state dict of `model.CFLD`, published names, buffers left out.
        key_values: {diffusers name: matrix (width, context width)}, the 18 trained U-Net tensors.
    """

    config: CFLDConfig
    networks: dict[str, torch.Tensor]
    key_values: dict[str, torch.Tensor]


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a folder with the authors' pair, either file of the pair, or a .safetensors made by `convert`.

    Tensors of the .bin files stay memory-mapped; of the 3.4 GB U-Net only 18 tensors are ever touched.

    Raises:
        CheckpointError: naming the file, what is wrong with it and what to place instead.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"'{path.name}' does not exist; choose a file that is in the folder models/cfld")
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        return _read_authors_pair(path if path.is_dir() else path.parent)
    except CheckpointError as error:
        raise CheckpointError(f"'{path.name}' cannot be used: {error}") from error


def build_networks(checkpoint: Checkpoint) -> CFLD:
    """The networks with the checkpoint's tensors put in as they are (no copy; dtype is the file's)."""
    with torch.device("meta"):
        networks = CFLD(checkpoint.config)
    networks.backbone = SourceEncoder(checkpoint.config.source)  # computes index buffers, which no checkpoint need hold
    try:
        networks.load_state_dict(checkpoint.networks, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"its tensors do not fit together: {error}") from error
    return networks.requires_grad_(False).eval()


def save_checkpoint(
    path: str | os.PathLike, checkpoint: Checkpoint, dtype: torch.dtype | None = None,
    progress: Callable[[Iterator[str]], Iterator[str]] = iter,
) -> None:
    """Write one .safetensors, in `dtype` where given; never leaves a half-written file behind.

    Args:
        progress: wraps the iteration over tensor names, e.g. a progress bar.
    """
    tensors = {**checkpoint.networks, **{f"unet.{name}": tensor for name, tensor in checkpoint.key_values.items()}}
    written = {name: tensors[name].to(dtype or tensors[name].dtype).contiguous() for name in progress(iter(tensors))}
    metadata = {"format": FORMAT, "version": FORMAT_VERSION, "config": json.dumps(asdict(checkpoint.config))}
    unfinished = Path(f"{path}.part")
    try:
        save_file(written, unfinished, metadata)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise CheckpointError(
                    "it is a .safetensors file, but not one made by 'python -m cfld_modules convert'; "
                    "make one from the authors' folder, or choose another file"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f"it is damaged or no .safetensors file ({error}); copy or convert it again") from error
    key_values = {name: tensors.pop(f"unet.{name}") for name in KEY_VALUE_NAMES if f"unet.{name}" in tensors}
    return _checked(tensors, key_values)


def _read_authors_pair(folder: Path) -> Checkpoint:
    networks: dict[str, torch.Tensor] | None = None
    key_values: dict[str, torch.Tensor] | None = None
    for file in sorted(file for file in folder.iterdir() if file.suffix in PICKLED):
        state = _read_pickle(file)
        if "learnable_vector" in state:
            networks = {name: tensor for name, tensor in state.items() if not BUFFERS.search(name)}
        elif all(f"model.{name}" in state for name in KEY_VALUE_NAMES):
            key_values = {name: state[f"model.{name}"] for name in KEY_VALUE_NAMES}
    if networks is None and key_values is None:
        raise CheckpointError(f"no CFLD tensors were found beside it; {HALVES}")
    if networks is None or key_values is None:
        missing = "pytorch_model.bin (the encoders)" if networks is None else "pytorch_model_1.bin (the U-Net)"
        raise CheckpointError(f"{missing} is missing; {HALVES}")
    return _checked(networks, key_values)


def _read_pickle(file: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file.name} holds something other than tensors and was not opened, since such a file can run code; "
            f"download it again from the authors ({str(error).splitlines()[0]})"
        ) from error
    except (RuntimeError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise CheckpointError(f"{file.name} is damaged or no PyTorch file; download it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise CheckpointError(f"{file.name} is not a flat table of tensors, so it is not one of the authors' files")
    # A file saved by the multi-GPU script carries the wrapper's prefix on every key.
    return {re.sub(r"^module\.", "", name): tensor for name, tensor in state.items()}


def _checked(networks: dict[str, torch.Tensor], key_values: dict[str, torch.Tensor]) -> Checkpoint:
    config = read_config({name: tuple(tensor.shape) for name, tensor in networks.items()})
    expected = _parameter_shapes(config)
    if missing := expected.keys() - networks.keys():
        raise CheckpointError(f"{len(missing)} tensors are missing, the first is '{min(missing)}'; copy it again")
    if unknown := networks.keys() - expected.keys():
        raise CheckpointError(f"{len(unknown)} tensors are not CFLD's, the first is '{min(unknown)}'")
    if wrong := [name for name, shape in expected.items() if tuple(networks[name].shape) != shape]:
        raise CheckpointError(
            f"'{wrong[0]}' has shape {tuple(networks[wrong[0]].shape)}, not {expected[wrong[0]]}; it is no known CFLD"
        )
    if missing := set(KEY_VALUE_NAMES) - key_values.keys():
        raise CheckpointError(f"{len(missing)} of the 18 U-Net matrices are missing, the first is '{min(missing)}'")
    widths = [width for width in reversed(config.appearance.output_widths) for _ in range(6)]
    for name, width in zip(KEY_VALUE_NAMES, widths, strict=True):
        if tuple(key_values[name].shape) != (width, config.decoder.width):
            raise CheckpointError(
                f"'{name}' has shape {tuple(key_values[name].shape)}, not {(width, config.decoder.width)}"
            )
    return Checkpoint(config, networks, key_values)


def _parameter_shapes(config: CFLDConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in CFLD(config).state_dict().items()}

