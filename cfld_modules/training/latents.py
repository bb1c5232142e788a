"""Latents of training pictures, with either autoencoder; encoded once and kept, where asked."""

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from tqdm import tqdm

from ..base_model import Vae
from ..data.pairs import Pairs
from ..framing import Fit, fit_box
from ..pictures import prepare_picture

BATCH = 16


def square_picture(picture: np.ndarray, fit: Fit, size: int) -> torch.Tensor:
    """RGB uint8 (H, W, 3) -> (3, size, size) in [-1, 1] (facts sheet, section 7)."""
    return prepare_picture(picture, fit_box(picture.shape[1], picture.shape[0], fit), size)


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


@torch.no_grad()
def encode_photographs(vae: Vae, pairs: Pairs, size: int, quiet: bool = False) -> torch.Tensor:
    """Posteriors (N, C, size/8, size/8) of all N photographs, on the CPU."""
    posteriors = []
    for first in tqdm(range(0, len(pairs.photographs), BATCH), desc="latents", unit="batch", disable=quiet):
        batch = pairs.photographs[first : first + BATCH]
        pictures = torch.stack([square_picture(photograph.picture(), pairs.fit, size) for photograph in batch])
        posteriors.append(encode_posteriors(vae, pictures.to(vae.device)).cpu())
    return torch.cat(posteriors)
