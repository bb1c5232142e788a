"""Transfer that keeps the photo's texture, as the templates do it: the pixels that the photo shows lie over the result,
and in *Keep texture* sampling begins from Warp Person's picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from ..guidance import UNGUIDED
from ..pipeline.cfld_pipeline import CFLDPipeline, repeated
from ..poses.keypoints import Pose
from ..poses.lifting import lift
from ..poses.warping import Warped, feathered_inwards, warp_person

FEATHER = 4  # the templates', at 512 pixels of height


def warp_photo(photo: np.ndarray, pose: Pose, mask: np.ndarray, targets: Sequence[Pose]) -> list[Warped]:
    """The person of a photo RGB uint8 (H, W, 3), who is where the mask (H, W) is true, in each target pose."""
    pixels, is_person, there = torch.from_numpy(photo) / 255, torch.from_numpy(mask).float(), lift(pose)
    return [warp_person(pixels, there, lift(target), is_person) for target in targets]


def pasted(result: np.ndarray, start: Warped, feather: int) -> np.ndarray:
    """The photo's own pixels over a result RGB uint8 (H, W, 3) of the start's size."""
    weight = feathered_inwards(start.covered.float(), feather).numpy()[..., None]
    return np.rint(result + weight * (start.image.numpy() * 255 - result)).astype(np.uint8)


def seeded_noise(pipeline: CFLDPipeline, seed: int, count: int = 1) -> torch.Tensor:
    """(count, 4, h, h), as large as the latents that the pipeline was trained on."""
    shape = (count, 4, pipeline.latent_side, pipeline.latent_side)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def sample_unguided(
    pipeline: CFLDPipeline, photos: Sequence[np.ndarray], poses: Sequence[Pose], noise: torch.Tensor, steps: int,
    generator: torch.Generator | None = None, starts: Sequence[Warped] = (), denoise: float = 1.0,
) -> torch.Tensor:
    """Latents of the photos' people in the poses (B, 4, S/8, S/8), for `CFLDPipeline.decode`; one row a step.

    Args:
        pipeline: with a few-step LoRA, which has the guidance in it.
        photos: one a pose, or one for all.
        noise: (B, 4, S/8, S/8), or one for all.
        generator: of ancestral noise.
        starts, denoise: the picture to begin with of each pose, and the share of the noise levels that is sampled, in
            so many steps; 1 begins with noise alone.
    """
    batch, side = len(poses), 8 * noise.shape[-1]
    noise, total = noise.expand(batch, -1, -1, -1), round(steps / denoise)
    pipeline.set_progress_bar_config(disable=True)
    appearance = repeated(pipeline.encode_sources([Image.fromarray(photo) for photo in photos], "pad"), batch)
    maps = pipeline.encode_poses(poses, "pad")
    pipeline.scheduler.set_timesteps(total)
    latents = noise * pipeline.scheduler.init_noise_sigma
    if total > steps:
        pictures = torch.stack([start.image for start in starts]).permute(0, 3, 1, 2) * 2 - 1
        square = torch.nn.functional.interpolate(pictures, (side, side), mode="bicubic", antialias=True)
        first = pipeline.scheduler.timesteps[total - steps]
        latents = pipeline.scheduler.add_noise(pipeline.encode(square), noise, first.expand(batch))
    return pipeline.denoise(
        latents, appearance, maps, steps=total, first_step=total - steps, generator=generator, **UNGUIDED
    )
