"""CFLD as a diffusers pipeline: the method with no ComfyUI, for training, evaluation and the shell."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from diffusers import AutoencoderTiny, DiffusionPipeline, SchedulerMixin, UNet2DConditionModel
from PIL import Image

from ..guidance import ROWS, SCALES_OF, row_weights
from ..networks.compact import Compact
from ..networks.hga import resample_tokens
from ..networks.model import CFLD, Appearance
from ..networks.pose_adapter import resample_map
from ..photographs import rgb_pixels
from ..poses.framing import Fit, fit_box, frame_pose, prepare_picture
from ..poses.keypoints import Pose
from ..poses.pose_maps import pose_maps
from .base_model import Vae
from .schedulers import published_scheduler

PAPER_SCALE = 2.0


class CFLDPipeline(DiffusionPipeline):
    """One source picture and a target pose in, the same person in that pose out.

    unet: SD 1.5's, patched by `unet_patch.patch_unet`. scheduler: any of diffusers' for epsilon prediction.
    """

    unet: UNet2DConditionModel
    vae: Vae
    scheduler: SchedulerMixin
    cfld: CFLD

    def __init__(self, unet: UNet2DConditionModel, vae: Vae, scheduler: SchedulerMixin, cfld: CFLD) -> None:
        super().__init__()
        self.register_modules(unet=unet, vae=vae, scheduler=scheduler, cfld=cfld)

    @property
    def latent_side(self) -> int:
        """Of the latents that the U-Net was trained on; where it does not say so, the paper's."""
        return self.unet.config.sample_size or self.cfld.config.source.image_size // 4

    @torch.no_grad()
    def __call__(
        self, sources: Sequence[Image.Image], poses: Sequence[Pose], *, fit: Fit = "pad",
        guidance_type: str = "uc_down_full", scales: Mapping[str, float] | None = None, steps: int = 50,
        generator: torch.Generator | None = None, width: int = 352, height: int = 512,
    ) -> list[Image.Image]:
        """Pictures of the sources' people in the poses.

        Args:
            sources, poses: as many of each, or one of either for all of the other.
            fit: how pictures and poses of another aspect than 176:256 are brought to it.
            scales: guidance scales by name (see `guidance.SCALES_OF`); the paper's 2.0 where not given.
            generator: of the initial latents and of ancestral noise; CPU, as the authors draw it.
            width, height: of the result in pixels.

        Raises ValueError when the numbers of sources and poses do not pair up.
        """
        if len(sources) != len(poses) and 1 not in (len(sources), len(poses)):
            raise ValueError(f"{len(sources)} sources and {len(poses)} poses do not pair up; give one, or as many")
        batch = max(len(sources), len(poses))
        appearance = repeated(self.encode_sources(sources, fit), batch)
        pose = [features.expand(batch, -1, -1, -1) for features in self.encode_poses(poses, fit)]
        noise = torch.randn(batch, 4, self.latent_side, self.latent_side, generator=generator).to(self.device)
        self.scheduler.set_timesteps(steps, device=self.device)  # the first noise level depends on the steps
        latents = self.denoise(
            noise * self.scheduler.init_noise_sigma, appearance, pose, guidance_type, scales, steps, generator
        )
        return [Image.fromarray(picture) for picture in self.decode(latents, width, height)]

    def encode_sources(self, sources: Sequence[Image.Image], fit: Fit) -> Appearance:
        """Pictures of any size -> prompt and residuals, batch of `len(sources)`."""
        size = self.cfld.config.source.image_size
        arrays = [rgb_pixels(source) for source in sources]
        pixels = [prepare_picture(array, fit_box(array.shape[1], array.shape[0], fit), size) for array in arrays]
        return self.cfld.encode_source(torch.stack(pixels).to(self.device, self.cfld.dtype))

    def encode_poses(self, poses: Sequence[Pose], fit: Fit) -> list[torch.Tensor]:
        """Poses on any canvas -> the pose adapter's three maps, batch of `len(poses)`."""
        maps = pose_maps([frame_pose(pose, fit) for pose in poses], self.cfld.config.source.image_size)
        return self.cfld.encode_pose(maps.to(self.device, self.cfld.dtype))

    @torch.no_grad()
    def denoise(
        self, latents: torch.Tensor, appearance: Appearance, pose: Sequence[torch.Tensor],
        guidance_type: str = "uc_down_full", scales: Mapping[str, float] | None = None, steps: int = 50,
        generator: torch.Generator | None = None,
        callback: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None, first_step: int = 0,
    ) -> torch.Tensor:
        """Sample from `latents` (B, 4, h, w) at the scheduler's first noise level to latents without noise.

        Args:
            first_step: the step to begin at; `latents` are at its noise level instead.
            callback: called with (step, guided epsilon, latents after the step).
        """
        weights = row_weights(guidance_type, {s: PAPER_SCALE for s in SCALES_OF[guidance_type]} | dict(scales or {}))
        takes_generator = "generator" in inspect.signature(self.scheduler.step).parameters
        ancestral = {"generator": generator} if takes_generator else {}
        self.scheduler.set_timesteps(steps, device=latents.device)
        for step, timestep in enumerate(self.progress_bar(self.scheduler.timesteps[first_step:]), first_step):
            model_input = self.scheduler.scale_model_input(latents, timestep)
            epsilon = self.guided_epsilon(model_input, timestep, weights, appearance, pose)
            latents = self.scheduler.step(epsilon, timestep, latents, **ancestral).prev_sample
            if callback is not None:
                callback(step, epsilon, latents)
        return latents

    def guided_epsilon(
        self, latents: torch.Tensor, timestep: torch.Tensor | int, weights: Mapping[str, float],
        appearance: Appearance, pose: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """One U-Net call with a block of B for each row in `weights`, and their weighted sum, in float32."""
        batch, dtype = latents.shape[0], self.unet.dtype
        rows = [ROWS[name] for name in weights]
        prompt, unconditional = appearance.prompt, self.cfld.learnable_vector.expand(batch, -1, -1)
        tokens_of_blocks, maps = resample_for_latents(appearance.residuals, pose, latents.shape[-2:])
        residuals = {
            block: torch.cat([tokens * row.appearance for row in rows]).to(dtype)
            for block, tokens in tokens_of_blocks.items()
        }
        epsilon = self.unet(
            torch.cat([latents] * len(rows)).to(dtype), timestep,
            torch.cat([prompt if row.prompt else unconditional for row in rows]).to(dtype),
            down_intrablock_additional_residuals=[
                torch.cat([features * row.pose for row in rows]).to(dtype) for features in maps
            ],
            cross_attention_kwargs={"appearance": residuals},
        ).sample.float()
        parts = zip(weights.values(), epsilon.chunk(len(rows)), strict=True)
        return sum((weight * part for weight, part in parts), torch.zeros_like(latents))

    @torch.no_grad()
    def invert(
        self, latents: torch.Tensor, appearance: Appearance, pose: Sequence[torch.Tensor], row: str, steps: int = 50
    ) -> torch.Tensor:
        """DDIM inversion of clean latents (docs/method.md, section 8): one unguided row, first timestep negative.

        Args:
            row: a key of `guidance.ROWS`; the authors' default is 'uc'.
            pose: maps of the *source* pose, read only by rows with a pose.
        """
        levels = published_scheduler().alphas_cumprod.to(latents.device)
        timesteps = inversion_timesteps(steps)
        for timestep in self.progress_bar(timesteps):
            level, next_level = levels[max(timestep, 0)], levels[timestep + timesteps.step]
            epsilon = self.guided_epsilon(latents, timestep, {row: 1.0}, appearance, pose)
            clean = (latents - (1 - level).sqrt() * epsilon) / level.sqrt()
            latents = next_level.sqrt() * clean + (1 - next_level).sqrt() * epsilon
        return latents

    @torch.no_grad()
    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, S, S) in [-1, 1] -> latents (B, 4, S/8, S/8), the likeliest where there is a choice."""
        encoded = self.vae.encode(pictures.to(self.device, self.vae.dtype))
        latents = encoded.latents if isinstance(self.vae, AutoencoderTiny) else encoded.latent_dist.mode()
        return latents * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(
        self, latents: torch.Tensor, width: int, height: int, upscaler: Compact | None = None
    ) -> np.ndarray:
        """Latents -> RGB uint8 (B, height, width, 3); where there is an upscaler, by way of its larger pictures."""
        decoded = self.vae.decode((latents / self.vae.config.scaling_factor).to(self.vae.dtype)).sample
        if upscaler is not None:
            decoded = upscaler((decoded.float() * 0.5 + 0.5).clamp(0, 1)) * 2 - 1
        return finish_pictures(decoded, width, height)


def finish_pictures(decoded: torch.Tensor, width: int, height: int) -> np.ndarray:
    """The VAE's output (B, 3, H, W) in [-1, 1] -> RGB uint8 (B, height, width, 3), truncated as the authors do."""
    pixels = (decoded.float() * 0.5 + 0.5).clamp(0, 1)
    pixels = functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True)
    return (pixels * 255.0).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def inversion_timesteps(steps: int) -> range:
    """DDIM inversion's timesteps, in its order: -19, 1, 21, ..., 961 for 50 steps."""
    stride = published_scheduler().config.num_train_timesteps // steps
    return range(1 - stride, 1 + stride * (steps - 1), stride)


def resample_for_latents(
    residuals: Mapping[int, torch.Tensor], maps: Sequence[torch.Tensor], size: torch.Size
) -> tuple[dict[int, torch.Tensor], list[torch.Tensor]]:
    """Residuals by block and the three pose maps, on the grids of the U-Net's levels, rounded up, for such latents."""
    grids = [(-(-size[0] // 2**level), -(-size[1] // 2**level)) for level in range(3)]
    return (
        {block: resample_tokens(tokens, grids[3 - block // 3]) for block, tokens in residuals.items()},
        [resample_map(features, grid) for features, grid in zip(maps, grids, strict=True)],
    )


def repeated(appearance: Appearance, batch: int) -> Appearance:
    """One person's appearance for a whole batch; as it is where there are as many."""
    if len(appearance.prompt) == batch:
        return appearance
    return Appearance(
        appearance.prompt.expand(batch, -1, -1),
        {block: residual.expand(batch, -1, -1) for block, residual in appearance.residuals.items()},
    )
