"""Files of named tensors: read without running anything in them or filling the memory, written whole or not at all."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..networks.config import CheckpointError

PICKLED = (".bin", ".pt", ".pth", ".ckpt")


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """{name: tensor} of a .safetensors or torch.save file; the tensors stay memory-mapped until they are used.

    A prefix "module." that training on several GPUs leaves on every name is taken off, and a table under "state_dict",
    as training frameworks write it, is unwrapped.

    Raises:
        CheckpointError: when the file is damaged, or holds anything but tensors.
    """
    state = _read_safetensors(file) if file.suffix.lower() == ".safetensors" else _read_pickle(file)
    if isinstance(state, Mapping):
        state = state.get("state_dict", state)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise CheckpointError(f"'{file.name}' is not a flat table of tensors, so it is no model")
    return {re.sub(r"^module\.", "", name): tensor for name, tensor in state.items()}


def write_tensors(file: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a .safetensors; never leaves a half-written file behind."""
    unfinished = Path(f"{file}.part")
    try:
        save_file(dict(tensors), unfinished, metadata)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _read_safetensors(file: Path) -> object:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"'{file.name}' is damaged or no .safetensors file ({error}); copy, download or convert it again"
        ) from error


def _read_pickle(file: Path) -> object:
    try:
        # Files of torch before 1.6 are no zip archives, and cannot be memory-mapped.
        return torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"'{file.name}' holds something other than tensors and was not opened, since such a file can run code; "
            f"get it as .safetensors, or again from its authors"
        ) from error
    except (RuntimeError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise CheckpointError(f"'{file.name}' is damaged or no PyTorch file; copy or download it again") from error
