"""Files of named tensors: read without running anything in them or filling the memory, written whole or not at all.

The limits below are several times what Stable Diffusion 1.5 and CFLD need. They are checked against what a file says of
itself, before anything is made of it.
"""

import io
import json
import math
import os
import pickletools
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO

import torch
from safetensors import safe_open

from ..errors import CheckpointError
from .atomic_files import written_whole

PICKLED = (".bin", ".pt", ".pth", ".ckpt")

MOST_TENSORS = 5_000
MOST_TABLE_BYTES = 2_000_000  # of names, shapes and places: a safetensors header, a pickle, a zip's directory
MOST_INSTRUCTIONS = 200_000  # of a pickle
MOST_SHARED = 2  # times its size that a file's tensors may be, since two names can stand for one
PART_NUMBERS = 2_000_000
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save began files with before 1.6
LEGACY_PICKLES = 5  # that number, a version, the machine's, the state dict, and where its tensors are

# What a state dict's pickle refers to. Some of what torch allows beside takes memory at will: a bytearray of any size.
STATE_DICT_GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter)|"
    r"torch(\.storage)? (\w+Storage|b?float\w+|double|half|u?int\d*|long|short|bool|complex\w+)"
)

SAFETENSORS_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int64: "I64",
}  # fmt: skip


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """{name: tensor} of a .safetensors or torch.save file; the tensors stay memory-mapped until they are used.

    A prefix "module." that training on several GPUs leaves on every name is taken off, and a table under "state_dict"
    or "model", as training frameworks write it, is unwrapped. torch.save's files of before 1.6 cannot be mapped. Raises
    CheckpointError when the file is damaged, or holds anything but tensors, or more of them than any model.
    """
    state = _read_safetensors(file) if file.suffix.lower() == ".safetensors" else _read_pickle(file)
    if isinstance(state, Mapping):
        state = state.get("state_dict", state.get("model", state))
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise CheckpointError(f"'{file.name}' is not a flat table of tensors, so it is no model")
    # A pickle can show one number as a billion, which whoever casts or adds them would make.
    if sum(math.prod(tensor.shape) * tensor.itemsize for tensor in state.values()) > MOST_SHARED * file.stat().st_size:
        raise CheckpointError(
            f"'{file.name}' is much smaller than what its tensors say they are, so it is no model; copy or download it "
            "again"
        )
    return {re.sub(r"^module\.", "", name): tensor for name, tensor in state.items()}


def read_metadata(file: Path) -> dict[str, str]:
    """What a .safetensors says beside its tensors. Raises CheckpointError as of `read_tensors`."""
    with _opened_safetensors(file) as safetensors:
        return safetensors.metadata() or {}


def write_tensors(
    target: Path | BinaryIO, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None, progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    read: Callable[[str], torch.Tensor] | None = None, may_replace: bool = True,
) -> None:
    """Write a .safetensors, a file whole or not at all; the same tensors always give the same bytes.

    One tensor after the other, since the library's own writer first makes a copy of all of them.

    Args:
        dtype: what the tensors are cast to, where given.
        progress: wraps the iteration over tensor names, e.g. a progress bar.
        read: gives a tensor when its turn has come, where `tensors` only tell shapes and types.
        may_replace: what is under that name already; else it is a FileExistsError.

    Raises CheckpointError for a number that is not finite, or not once it was cast.
    """
    read = read or tensors.__getitem__
    dtypes = {name: dtype or tensor.dtype for name, tensor in tensors.items()}
    names = sorted(tensors, key=lambda name: (-dtypes[name].itemsize, name))  # so each begins at a multiple of it
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        begin, end = end, end + tensors[name].numel() * dtypes[name].itemsize
        header[name] = {
            "dtype": SAFETENSORS_NAMES[dtypes[name]], "shape": list(tensors[name].shape), "data_offsets": [begin, end],
        }  # fmt: skip
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with written_whole(target, may_replace) if isinstance(target, Path) else nullcontext(target) as stream:
        stream.write(len(encoded).to_bytes(8, "little") + encoded)
        for name in progress(names):
            for part in in_parts(read(name)):
                cast = part.to("cpu", dtypes[name])
                if not are_finite(cast):
                    raise not_finite(name, part, dtypes[name])
                stream.write(cast.view(torch.uint8).numpy().data)


def in_parts(tensor: torch.Tensor) -> Iterable[torch.Tensor]:
    """Its numbers in order, few enough to be copied or cast: one of CFLD's tensors has 15 million."""
    return tensor.detach().flatten().split(PART_NUMBERS)


def are_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are, by sums of them, since asking each takes as many booleans."""
    summable = (part.float() if part.dtype.itemsize == 1 else part for part in in_parts(tensor))
    return all(bool(part.sum(dtype=torch.float64).isfinite()) for part in summable)


def not_finite(name: str, numbers: torch.Tensor, dtype: torch.dtype) -> CheckpointError:
    """Of numbers that are not finite as `dtype`: says whether another precision would hold them."""
    if not are_finite(numbers):
        return CheckpointError(
            f"'{name}' holds NaN or infinite numbers; copy the file again, or take an earlier one of its training"
        )
    largest = max(abs(extreme.item()) for extreme in numbers.float().aminmax())
    precision = {torch.float16: "fp16"}.get(dtype, str(dtype))
    return CheckpointError(
        f"'{name}' has numbers up to {largest:.3g}, and {precision} ends at {torch.finfo(dtype).max:.3g}; choose fp32 "
        "or bf16 instead"
    )


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    with _opened_safetensors(file) as safetensors:
        names = safetensors.keys()
        if len(names) > MOST_TENSORS:
            raise _too_much(file)
        return {name: safetensors.get_tensor(name) for name in names}


@contextmanager
def _opened_safetensors(file: Path) -> Iterator[safe_open]:
    """Whatever is the matter with the file, there or inside, is a CheckpointError."""
    try:
        with open(file, "rb") as stream:
            header_bytes = int.from_bytes(stream.read(8), "little")
        if MOST_TABLE_BYTES < header_bytes < os.path.getsize(file):
            raise _too_much(file)
        with safe_open(file, framework="pt") as safetensors:
            yield safetensors
    except CheckpointError:
        raise
    except Exception as error:  # the library's own kinds depend on its version
        raise CheckpointError(
            f"'{file.name}' is damaged or no .safetensors file ({error}); copy, download or convert it again"
        ) from error


def _read_pickle(file: Path) -> object:
    try:
        with open(file, "rb") as stream:
            legacy = stream.read(len(LEGACY)) == LEGACY
        if legacy:
            with BoundedReads(file) as bounded_file:
                for _ in range(LEGACY_PICKLES):
                    _check_pickle(file, bounded_file)
        else:
            _check_archive(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=not legacy)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can make the unpickler raise anything
        raise CheckpointError(f"'{file.name}' is damaged or no PyTorch file; copy or download it again") from error


def _check_archive(file: Path) -> None:
    """Refuse what torch.load would read wrongly, or read at all, by the file's directory and its pickle."""
    if tarfile.is_tarfile(file):  # asked first, since the zip at its end would be found as well
        raise CheckpointError(f"'{file.name}' is a tar archive; unpack it and choose the file inside")
    with BoundedReads(file) as bounded_file, zipfile.ZipFile(bounded_file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise CheckpointError(
                f"'{file.name}' has been compressed, and its tensors cannot be found in it; get the file that "
                "torch.save wrote, or write it again with torch.save"
            )
        data = [member for member in members if re.fullmatch(r"[^/]+/data/\d+", member.filename)]
        other_members = [member for member in members if member not in data]
        if len(data) > MOST_TENSORS or sum(member.file_size for member in other_members) > MOST_TABLE_BYTES:
            raise _too_much(file)
        pickles = [member for member in other_members if re.fullmatch(r"[^/]+/data\.pkl", member.filename)]
        if len(pickles) != 1:
            raise zipfile.BadZipFile("not one data.pkl")
        _check_pickle(file, archive.read(pickles[0]))


def _check_pickle(file: Path, content: bytes | IO[bytes]) -> None:
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if count == MOST_INSTRUCTIONS:
            raise _too_much(file)
        if instruction.name == "GLOBAL" and not STATE_DICT_GLOBALS.fullmatch(str(argument)):
            raise CheckpointError(
                f"'{file.name}' holds something other than tensors and was not opened, since such a file can run code "
                f"({argument}); get it as .safetensors, or again from its authors"
            )


class BoundedReads(io.FileIO):
    """A file that refuses to be read by more than `MOST_TABLE_BYTES` at once, as a lying directory would have it.

    Asked for more than is left, it gives what is left, where Python's own first takes the memory that it was asked for.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        bytes_left = os.fstat(self.fileno()).st_size - self.tell()
        size = min(bytes_left, size if size is not None and size >= 0 else bytes_left)
        if size > MOST_TABLE_BYTES:
            raise zipfile.BadZipFile("its directory is too large")
        return super().read(max(size, 0)) or b""


def _too_much(file: Path) -> CheckpointError:
    return CheckpointError(
        f"'{file.name}' names more than {MOST_TENSORS} tensors or something else than them, so it is no model that is "
        "known here; choose another file"
    )
