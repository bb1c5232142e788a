"""Encodes training pictures, by Stable Diffusion's autoencoder or the small one, and keeps the latents in a file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from safetensors import safe_open
from tqdm import tqdm

from ..checkpoints.tensor_files import write_tensors
from ..data.pairs import Pairs, Photograph
from ..pipeline.base_model import Vae
from ..poses.framing import Fit, fit_box, signed_unit, squashed_pixels

BATCH = 16


def square_picture(picture: np.ndarray, fit: Fit, size: int) -> torch.Tensor:
    """RGB uint8 (H, W, 3) -> (3, size, size) in [-1, 1] (docs/method.md, section 7)."""
    return signed_unit(square_pixels(picture, fit, size))


def square_pixels(picture: np.ndarray, fit: Fit, size: int) -> torch.Tensor:
    """As `square_picture`, but uint8 still."""
    height, width = picture.shape[:2]
    box = fit_box(width, height, fit)
    return torch.from_numpy(squashed_pixels(lambda *part: picture[part], height, width, box, size))


def random_crop(pairs: Pairs, size: int, crop: int, random: np.random.Generator) -> torch.Tensor:
    """A square of any of the photographs, squashed to `size`: uint8 (3, crop, crop), half of them mirrored."""
    photograph = pairs.photographs[int(random.integers(len(pairs.photographs)))]
    picture = square_pixels(photograph.picture(), pairs.fit, size)
    top, left = random.integers(size - crop + 1, size=2)
    picture = picture[:, top : top + crop, left : left + crop]
    return picture.flip(-1) if random.random() < 0.5 else picture


def sheet_picture(picture: torch.Tensor) -> np.ndarray:
    """(3, H, W) in [-1, 1] -> RGB uint8 (H, W, 3)."""
    return ((picture.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def encode_posteriors(vae: Vae, pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] -> mean and log variance (B, 8, S/8, S/8), or tiny latents (B, 4, ...)."""
    encoded = vae.encode(pictures)
    return encoded.latents if isinstance(vae, AutoencoderTiny) else encoded.latent_dist.parameters


def sample_latents(vae: Vae, posteriors: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Scaled latents (B, 4, h, w); `noise`, of the same size, is not read where the autoencoder has no variance."""
    if isinstance(vae, AutoencoderTiny):
        return posteriors * vae.config.scaling_factor
    posterior = DiagonalGaussianDistribution(posteriors)
    return (posterior.mean + posterior.std * noise) * vae.config.scaling_factor


def cached_posteriors(file: Path, accelerator: Accelerator, vae: Vae, pairs: Pairs, size: int) -> torch.Tensor:
    """Posteriors (N, C, size/8, size/8) of all N photographs, read from `file` if it was made of these photographs by
    this encoder, and else made, shared among all processes, and written there.
    """
    fingerprint = _fingerprint(vae, pairs, size)
    if file.is_file():
        with safe_open(file, framework="pt") as stored:
            if (stored.metadata() or {}).get("made_of") == fingerprint:
                return stored.get_tensor("posteriors")
    accelerator.wait_for_everyone()
    shares = np.array_split(np.arange(len(pairs.photographs)), accelerator.num_processes)
    share = [pairs.photographs[number] for number in shares[accelerator.process_index]]
    with accelerator.autocast():
        own_latents = encode_photographs(vae, share, pairs.fit, size, quiet=not accelerator.is_main_process)
    posteriors = torch.cat(gather_object([own_latents]))
    if accelerator.is_main_process:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, {"posteriors": posteriors}, {"made_of": fingerprint})
    accelerator.wait_for_everyone()
    return posteriors


@torch.no_grad()
def encode_photographs(
    vae: Vae, photographs: Sequence[Photograph], fit: Fit, size: int, quiet: bool = False
) -> torch.Tensor:
    """Posteriors (N, C, size/8, size/8) of N photographs in float32, on the CPU."""
    posteriors = []
    for first in tqdm(range(0, len(photographs), BATCH), desc="latents", unit="batch", disable=quiet):
        batch = photographs[first : first + BATCH]
        pictures = torch.stack([square_picture(photograph.picture(), fit, size) for photograph in batch])
        posteriors.append(encode_posteriors(vae, pictures.to(vae.device)).float().cpu().contiguous())
    return torch.cat(posteriors)


def _fingerprint(vae: Vae, pairs: Pairs, size: int) -> str:
    names = "\n".join(photograph.name for photograph in pairs.photographs)
    digest = hashlib.sha256(f"{size} {pairs.fit}\n{names}".encode())
    for name, tensor in vae.state_dict().items():
        if not name.startswith("decoder."):
            digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()
