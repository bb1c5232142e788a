"""Tells how likely two pictures show the same person, so that `augment` can leave out those that do not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..poses.keypoints import Pose
from .clothes import clothes_distance, clothes_features
from .metrics import unit_tensor

# Of one picture and its pose, on a canvas of the picture's aspect, and of another: 0 to 1, 1 for the same person.
Confidence = Callable[[tuple[np.ndarray, Pose], tuple[np.ndarray, Pose]], float]

# `clothes_distance` of two pictures of different people, on the average of the bundled ones; of the same person, 0.14.
DISTANCE_OF_STRANGERS = 0.65
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WIDTH, HEIGHT = 128, 256  # what networks for re-identification look at


class EmbedderError(ValueError):
    """A file is no network that turns pictures into vectors; says what was found and what to give."""


def clothes_confidence(first: tuple[np.ndarray, Pose], second: tuple[np.ndarray, Pose]) -> float:
    """By the features of `clothes`: 1 for the same clothes, 0 for such as strangers' or worse."""
    return max(0.0, 1 - clothes_distance(clothes_features(*first), clothes_features(*second)) / DISTANCE_OF_STRANGERS)


def load_embedder(file: Path, device: torch.device) -> Confidence:
    """The cosine of two pictures' vectors, 0 where it is negative.

    Args:
        file: TorchScript that turns (B, 3, 256, 128) by ImageNet's mean and deviation into (B, features), or a
            model.safetensors with its config.json beside it, as transformers writes any model of images.

    Raises:
        EmbedderError: when it cannot be loaded, or what it gives is no vector.
    """
    try:
        is_transformers = file.suffix == ".safetensors"
        embed = _load_transformers(file, device) if is_transformers else _load_script(file, device)
        embed(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EmbedderError(
            f"'{file}' is no embedder ({reason[:150]}); give TorchScript that turns (1, 3, {HEIGHT}, {WIDTH}) into "
            "(1, features), or a model.safetensors of transformers with config.json beside it"
        ) from error

    def confidence(first: tuple[np.ndarray, Pose], second: tuple[np.ndarray, Pose]) -> float:
        return max(0.0, float(torch.cosine_similarity(embed(first[0]), embed(second[0]), dim=0)))

    return confidence


def _load_script(file: Path, device: torch.device) -> Callable[[np.ndarray], torch.Tensor]:
    network = torch.jit.load(str(file), map_location=device).train(False)

    def embed(picture: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return _vector(network(_prepared(picture, WIDTH, HEIGHT, IMAGENET_MEAN, IMAGENET_STD).to(device)))

    return embed


def _load_transformers(file: Path, device: torch.device) -> Callable[[np.ndarray], torch.Tensor]:
    from transformers import AutoModel

    network = AutoModel.from_pretrained(file.parent, local_files_only=True, use_safetensors=True)
    network = network.to(device).train(False)
    network = getattr(network, "vision_model", network)  # of a model of pictures and texts
    side = getattr(network.config, "image_size", None) or HEIGHT
    preprocessor = file.with_name("preprocessor_config.json")
    norm = json.loads(preprocessor.read_text(encoding="utf-8")) if preprocessor.is_file() else {}
    mean, std = norm.get("image_mean", IMAGENET_MEAN), norm.get("image_std", IMAGENET_STD)

    def embed(picture: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            output = network(pixel_values=_prepared(picture, side, side, mean, std).to(device))
            pooled = getattr(output, "pooler_output", None)
            return _vector(output.last_hidden_state.mean(dim=1) if pooled is None else pooled.flatten(1))

    return embed


def _prepared(
    picture: np.ndarray, width: int, height: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> torch.Tensor:
    """RGB uint8 (H, W, 3) -> (1, 3, height, width), normalised."""
    resized = np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
    return ((unit_tensor(resized) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])[None]


def _vector(output: torch.Tensor) -> torch.Tensor:
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 1:
        raise EmbedderError(f"it gives {getattr(output, 'shape', type(output).__name__)} for one picture")
    return output[0].float().cpu()
