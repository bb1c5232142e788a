"""Makes latents with the errors that a denoiser leaves, to train the small autoencoder's decoder on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import Dataset
from tqdm import tqdm

from ..checkpoints.tensor_files import write_tensors
from ..data.pairs import Pairs, Photograph
from ..errors import SettingsError
from ..evaluation.models import load_pipeline
from ..pipeline.base_model import Vae
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.framing import Fit
from ..settings import Bound, Count
from .latents import square_picture

BATCH = 20


@dataclass(frozen=True)
class Denoising:
    """What denoises, and how much of it.

    Attributes:
        base, cfld: a model that `train` made, on latents of the autoencoder whose decoder is trained.
        pairs: how many pairs to denoise the targets of.
        steps: of DDIM from pure noise on. A pair begins at any of them but the first, so that its target is still
            there, and the last.
    """

    base: Path
    cfld: Path
    pairs: Count = 1000
    steps: Annotated[int, Bound(ge=3, le=500)] = 10


def denoised_latents(
    file: Path, accelerator: Accelerator, denoising: Denoising, autoencoder: AutoencoderTiny, pairs: Pairs, size: int,
    seed: int,
) -> dict[str, torch.Tensor]:
    """`pairs` (N,) int64, numbers of pairs; `latents` (N, 4, size/8, size/8) of their targets, noised and then denoised
    with guidance, as the decoder takes them. Read from `file`, or else made by all processes, and written there.

    Raises:
        SettingsError: where the model is one for pictures of another size, or for other latents than `autoencoder`'s.
        CheckpointError: where it cannot be used.
    """
    if file.is_file():
        return load_file(file)
    accelerator.wait_for_everyone()
    pipeline = load_pipeline(denoising.base, denoising.cfld, "ddim").to(accelerator.device)
    expected_size = 8 * pipeline.latent_side
    if size != expected_size:
        raise SettingsError(f"denoised.cfld: is for pictures of {expected_size} pixels, but size is {size}")
    if not _same_encoder(pipeline.vae, autoencoder):
        raise SettingsError(f"denoised.base: '{denoising.base}' has another encoder than decoder_of")
    numbers = np.random.default_rng(seed).permutation(len(pairs))[: denoising.pairs]
    batches = [numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)]
    share = np.array_split(np.arange(len(batches)), accelerator.num_processes)[accelerator.process_index]
    latents_of_process = []
    for batch in tqdm(share, desc="denoised latents", unit="batch", disable=not accelerator.is_main_process):
        generator = torch.Generator().manual_seed(seed + int(batch))
        photographs = [pairs[int(number)] for number in batches[batch]]
        latents_of_process.append(denoise_targets(pipeline, photographs, pairs.fit, denoising.steps, generator).cpu())
    result = {"pairs": torch.from_numpy(numbers), "latents": torch.cat(gather_object(latents_of_process))}
    if accelerator.is_main_process:
        write_tensors(file, result)
    accelerator.wait_for_everyone()
    return result


@torch.no_grad()
def denoise_targets(
    pipeline: CFLDPipeline, pairs: Sequence[tuple[Photograph, Photograph]], fit: Fit, steps: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Latents (B, 4, h, w) of the targets, noised to a step of DDIM that is drawn, and denoised from there on; as the
    decoder takes them.

    Args:
        generator: of the step and the noise; CPU.
    """
    size = 8 * pipeline.latent_side
    pictures = torch.stack([square_picture(target.picture(), fit, size) for _, target in pairs])
    clean = pipeline.encode(pictures)
    appearance = pipeline.encode_sources([Image.fromarray(source.picture()) for source, _ in pairs], fit)
    pose = pipeline.encode_poses([target.pose() for _, target in pairs], fit)
    pipeline.scheduler.set_timesteps(steps, device=pipeline.device)
    first = int(torch.randint(1, steps - 1, (), generator=generator))
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    noisy = pipeline.scheduler.add_noise(clean, noise, pipeline.scheduler.timesteps[first : first + 1])
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline.denoise(noisy, appearance, pose, steps=steps, first_step=first)
    return latents / pipeline.vae.config.scaling_factor


def _same_encoder(vae: Vae, autoencoder: AutoencoderTiny) -> bool:
    """Up to float16, in which models are exported."""
    return isinstance(vae, AutoencoderTiny) and all(
        source.shape == target.shape and torch.allclose(source.cpu(), target.cpu(), rtol=1e-3, atol=1e-5)
        for source, target in zip(vae.encoder.parameters(), autoencoder.encoder.parameters(), strict=True)
    )


class DenoisedSamples(Dataset):
    """Sample n of an endless run over targets: `picture` (3, crop, crop) in [-1, 1], and its piece of the target's
    denoised `latents` (4, crop/8, crop/8).

    Args:
        denoised: as `denoised_latents` gives it.
        size: of whole pictures, in pixels.
    """

    def __init__(self, pairs: Pairs, denoised: Mapping[str, torch.Tensor], size: int, crop: int, seed: int) -> None:
        self.pairs, self.denoised, self.size, self.crop, self.seed = pairs, denoised, size, crop, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, number])
        place = int(random.integers(len(self.denoised["pairs"])))
        _, target = self.pairs[int(self.denoised["pairs"][place])]
        picture = square_picture(target.picture(), self.pairs.fit, self.size)
        side = self.crop // 8
        top, left = random.integers(self.size // 8 - side + 1, size=2)
        return {
            "picture": picture[:, 8 * top : 8 * (top + side), 8 * left : 8 * (left + side)],
            "latents": self.denoised["latents"][place, :, top : top + side, left : left + side],
        }
