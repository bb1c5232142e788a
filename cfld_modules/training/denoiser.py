"""CFLD's training loss: both pictures of a pair denoised, on one condition (docs/method.md, section 11)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as functional
from diffusers import DDPMScheduler, UNet2DConditionModel
from einops import rearrange
from torch import nn

from ..checkpoints.cfld_checkpoint import KEY_VALUE_NAMES
from ..networks.model import CFLD
from ..pipeline.base_model import Vae
from ..pipeline.schedulers import published_scheduler
from ..pipeline.unet_patch import patch_unet
from .latents import encode_posteriors, sample_latents


class Denoiser(nn.Module):
    """CFLD with its U-Net and autoencoder, called with a batch of `PairSamples`.

    Args:
        train_whole_unet: or only its 18 key and value matrices; the autoencoder is always frozen.
    """

    def __init__(self, cfld: CFLD, unet: UNet2DConditionModel, vae: Vae, train_whole_unet: bool) -> None:
        super().__init__()
        self.cfld, self.unet, self.vae = cfld.requires_grad_(True), patch_unet(unet, {}), vae.requires_grad_(False)
        self.unet.requires_grad_(train_whole_unet)
        for name in KEY_VALUE_NAMES:
            self.unet.get_parameter(name).requires_grad_(True)
        self.scheduler: DDPMScheduler = published_scheduler("ddpm")

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`: mean square error on the noise, over a batch of B pairs, which are 2B latents."""
        noise, timesteps = batch["noise"].flatten(0, 1), batch["timesteps"].flatten(0, 1)
        with_prompt, with_pose, with_appearance = rearrange(batch["given"], "b pair row -> row (b pair) 1 1")
        noisy = self.scheduler.add_noise(self._latents(batch), noise, timesteps)
        appearance = self.cfld.encode_source(batch["source"])
        prompt = appearance.prompt.repeat_interleave(2, dim=0)
        context = torch.where(with_prompt, prompt, self.cfld.learnable_vector)
        residuals = {
            block: tokens.repeat_interleave(2, dim=0) * with_appearance
            for block, tokens in appearance.residuals.items()
        }
        pose = self.cfld.encode_pose(batch["pose_maps"].flatten(0, 1))
        predicted = self.unet(
            noisy, timesteps, context,
            down_intrablock_additional_residuals=[features * with_pose[..., None] for features in pose],
            cross_attention_kwargs={"appearance": residuals},
        ).sample
        return {"loss": functional.mse_loss(predicted.float(), noise)}

    @torch.no_grad()
    def _latents(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if "posteriors" in batch:
            posteriors = batch["posteriors"].flatten(0, 1)
        else:
            posteriors = encode_posteriors(self.vae, batch["pictures"].flatten(0, 1))
        return sample_latents(self.vae, posteriors, batch["posterior_noise"].flatten(0, 1))
