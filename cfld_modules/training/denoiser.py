"""CFLD's training loss: how well the noise in both pictures of a pair is predicted (docs/method.md, section 11)."""

from collections.abc import Mapping
from typing import Literal

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from einops import rearrange
from torch import nn

from ..checkpoints.cfld_checkpoint import KEY_VALUE_NAMES
from ..networks.model import CFLD
from ..pipeline.base_model import Vae
from ..pipeline.cfld_pipeline import resample_for_latents
from ..pipeline.schedulers import published_scheduler
from ..pipeline.unet_patch import patch_unet
from .latents import encode_posteriors, sample_latents
from .samples import read_batch

Loss = Literal["epsilon", "min_snr", "noisy"]
MIN_SNR_GAMMA = 5.0
LARGEST_NOISY_WEIGHT = 30.0


def loss_weights(loss: Loss, signal_to_noise: torch.Tensor) -> torch.Tensor:
    """Weights of each latent's square error on its noise, from alpha_bar / (1 - alpha_bar), both (B,).

    `epsilon`: all alike, the paper's. `min_snr`: min(SNR, 5) / SNR (Hang et al. 2023, arXiv 2303.09556, section 3.4).
    `noisy`: max(1, 1 / SNR), at most 30, which is the square error on the latent itself where noise prevails: few
    steps are trained for what the first of them decide.
    """
    if loss == "min_snr":
        return signal_to_noise.clamp(max=MIN_SNR_GAMMA) / signal_to_noise
    if loss == "noisy":
        return (1 / signal_to_noise).clamp(1, LARGEST_NOISY_WEIGHT)
    return torch.ones_like(signal_to_noise)


class Denoiser(nn.Module):
    """CFLD with its U-Net and autoencoder, called with a batch of `PairSamples`.

    Args:
        train_whole_unet: or only its 18 key and value matrices; the autoencoder is always frozen.
        loss: how the error is weighted over the timesteps, see `loss_weights`.
    """

    weights: torch.Tensor

    def __init__(
        self, cfld: CFLD, unet: UNet2DConditionModel, vae: Vae, train_whole_unet: bool, loss: Loss = "epsilon"
    ) -> None:
        super().__init__()
        self.cfld, self.unet, self.vae = cfld.requires_grad_(True), patch_unet(unet, {}), vae.requires_grad_(False)
        self.unet.requires_grad_(train_whole_unet)
        for name in KEY_VALUE_NAMES:
            self.unet.get_parameter(name).requires_grad_(True)
        self.scheduler: DDPMScheduler = published_scheduler("ddpm")
        alphas = self.scheduler.alphas_cumprod
        self.register_buffer("weights", loss_weights(loss, alphas / (1 - alphas)), persistent=False)

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`: mean weighted square error on the noise, over a batch of B pairs, which are 2B latents."""
        batch = read_batch(batch)
        noise, timesteps = batch["noise"].flatten(0, 1), batch["timesteps"].flatten(0, 1)
        with_prompt, with_pose, with_appearance = rearrange(batch["given"], "b pair row -> row (b pair) 1 1")
        noisy = self.scheduler.add_noise(self._latents(batch), noise, timesteps)
        appearance = self.cfld.encode_source(batch["source"])
        prompt = appearance.prompt.repeat_interleave(2, dim=0)
        context = torch.where(with_prompt, prompt, self.cfld.learnable_vector)
        maps = self.cfld.encode_pose(batch["pose_maps"].flatten(0, 1))
        tokens_of_blocks, pose = resample_for_latents(appearance.residuals, maps, noisy.shape[-2:])
        residuals = {
            block: tokens.repeat_interleave(2, dim=0) * with_appearance for block, tokens in tokens_of_blocks.items()
        }
        predicted = self.unet(
            noisy, timesteps, context,
            down_intrablock_additional_residuals=[features * with_pose[..., None] for features in pose],
            cross_attention_kwargs={"appearance": residuals},
        ).sample
        errors = (predicted.float() - noise).square().mean(dim=(1, 2, 3))
        return {"loss": (self.weights[timesteps] * errors).mean()}

    @torch.no_grad()
    def _latents(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if "posteriors" in batch:
            posteriors = batch["posteriors"].flatten(0, 1)
        else:
            posteriors = encode_posteriors(self.vae, batch["pictures"].flatten(0, 1))
        return sample_latents(self.vae, posteriors, batch["posterior_noise"].flatten(0, 1))
