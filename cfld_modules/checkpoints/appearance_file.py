"""Saves and loads encoded people: the encoders' output for one photo, valid only with the same checkpoint."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open

from ..errors import CheckpointError
from ..networks.config import APPEARANCE_BLOCKS, CFLDConfig
from ..networks.model import CFLD, Appearance
from .tensor_files import are_finite, write_tensors

FORMAT, FORMAT_VERSION = "cfld_appearance", "1"
THUMBNAILS, THUMBNAIL_SIDE = "ssmd_cover_images", 256  # the name under which hosts look for a model's pictures
DTYPES = ("F16", "F32")
PROMPT, UNCONDITIONAL_PROMPT = "prompt", "learnable_vector"


def checkpoint_identity(networks: CFLD) -> str:
    """SHA-256 of the decoder's tensors, each rounded to fp16 so that a file converted to it is the same checkpoint."""
    digest = hashlib.sha256()
    for name, tensor in sorted(networks.decoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().to(torch.float16).contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_appearance(
    target: Path | BinaryIO, networks: CFLD, appearance: Appearance, pictures: list[np.ndarray]
) -> None:
    """Write people whom `networks` encoded, with the learnt vector of their `negative`; a file whole or not at all.

    Numbers are in fp16, or in fp32 where that cannot hold them.

    pictures: RGB uint8 (H, W, 3) of the people, for a thumbnail in the metadata; none are needed.

    Raises CheckpointError when a number is not finite.
    """
    tensors = {PROMPT: appearance.prompt, UNCONDITIONAL_PROMPT: networks.learnable_vector.detach()}
    tensors |= {_residual(block): tokens for block, tokens in appearance.residuals.items()}
    for name, tensor in tensors.items():
        if not are_finite(tensor):
            raise CheckpointError(
                f"'{name}' of this person holds NaN or infinite numbers; encode the person again, with weight_dtype "
                "fp32 in CFLD Loader"
            )
        half = tensor.to("cpu", torch.float16)
        tensors[name] = half if are_finite(half) else tensor.float()
    metadata = {"format": FORMAT, "version": FORMAT_VERSION, "checkpoint": checkpoint_identity(networks)}
    if pictures:
        metadata[THUMBNAILS] = json.dumps([_thumbnail(picture) for picture in pictures])
    write_tensors(target, tensors, metadata)


def load_appearance(file: Path, networks: CFLD) -> tuple[Appearance, torch.Tensor]:
    """The people in a file of `save_appearance`, and the learnt vector (1, tokens, width), all in float32.

    Identity and shapes are checked before any tensor is read. Raises CheckpointError naming the file, when it is
    damaged, something else, or made by another checkpoint.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            _check(stored, networks)
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}
        if infinite_tensors := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise CheckpointError(f"'{infinite_tensors[0]}' holds numbers that are not finite; save the person again")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"'{file.name}' is damaged or no .safetensors file ({error}); save it again") from error
    except CheckpointError as error:
        raise CheckpointError(f"'{file.name}' cannot be used: {error}") from error
    residuals = {block: tensors[_residual(block)] for block in _residual_shapes(networks.config)}
    return Appearance(tensors[PROMPT], residuals), tensors[UNCONDITIONAL_PROMPT]


def _residual(block: int) -> str:
    return f"residual.{block}"


def _residual_shapes(config: CFLDConfig) -> dict[int, tuple[int, int]]:
    """{block: (tokens, query width)}."""
    levels = zip(config.source.grids, config.appearance.output_widths, strict=False)  # the last grid is the decoder's
    shapes = [(grid**2, width) for grid, width in levels]
    return {block: shapes[3 - block // 3] for block in APPEARANCE_BLOCKS}


def _check(stored: safe_open, networks: CFLD) -> None:
    metadata = stored.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise CheckpointError("it is no saved appearance; choose a file that Save Appearance wrote")
    if metadata.get("version") != FORMAT_VERSION:
        raise CheckpointError(f"it has version {metadata.get('version')} of the format, not {FORMAT_VERSION}")
    if metadata.get("checkpoint") != checkpoint_identity(networks):
        raise CheckpointError(
            "it was made with another CFLD checkpoint (or the same one in bf16); connect that one, or save the person "
            "again with this one"
        )
    config = networks.config
    context = (config.context_tokens, config.decoder.width)
    slices = {name: stored.get_slice(name) for name in stored.keys()}
    people = next(iter(slices[PROMPT].get_shape()), 1) if PROMPT in slices else 1
    shapes = {PROMPT: [people, *context], UNCONDITIONAL_PROMPT: [1, *context]}
    shapes |= {_residual(block): [people, *shape] for block, shape in _residual_shapes(config).items()}
    kinds = {name: (values.get_dtype(), values.get_shape()) for name, values in slices.items()}
    for name, shape in shapes.items():
        dtype, actual_shape = kinds.get(name, ("", []))
        if dtype not in DTYPES or actual_shape != shape or not people:
            actual = f"is {dtype} {actual_shape}" if name in kinds else "is missing"
            expected = f"{' or '.join(DTYPES)} {shape}"
            raise CheckpointError(f"'{name}' {actual}, and should be {expected}; save the person again")
    if extra_names := slices.keys() - shapes.keys():
        raise CheckpointError(f"'{min(extra_names)}' does not belong into a saved appearance; save the person again")


def _thumbnail(picture: np.ndarray) -> str:
    """A small JPEG in base64."""
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    return base64.b64encode(jpeg.getvalue()).decode()
