"""Saliency-adaptive noise fusion: decides for each pixel which of two models it comes from.

Yibin Wang et al., "High-fidelity Person-centric Subject-to-Image Synthesis", CVPR 2024 (arXiv 2311.10329): how strongly
guidance changes a prediction at a place tells how much its model has to say there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional

POOL, PADDING = 4, 1  # pixels of the latents


def log_saliency(response: torch.Tensor) -> torch.Tensor:
    """How salient each place is to a model, as the logarithm of a share: its exponentials sum to 1 in every picture.

    response: (B, C, H, W), what guidance adds to the predicted noise; H and W at least 2. Returns (B, 1, H, W).
    """
    pooled = functional.avg_pool2d(response.float().abs(), POOL, stride=1, padding=PADDING)
    resized = functional.interpolate(pooled, response.shape[2:], mode="bilinear", align_corners=False)
    strength = resized.mean(dim=1, keepdim=True)
    return strength - strength.flatten(1).logsumexp(dim=1).reshape(-1, 1, 1, 1)


@dataclass(frozen=True, eq=False)
class Fusion:
    """A step's two saliencies, each (B, 1, H, W) of `log_saliency`."""

    person: torch.Tensor
    scene: torch.Tensor

    def within(self, person: torch.Tensor, scene: torch.Tensor) -> "Fusion":
        """The same where each of the two, (B, 1, H, W) of bool, predicts anything; elsewhere it has no share."""
        return Fusion(self.person.masked_fill(~person, -torch.inf), self.scene.masked_fill(~scene, -torch.inf))

    @property
    def is_person(self) -> torch.Tensor:
        """(B, 1, H, W) of bool: the places that are the person's; where both are as salient it is the scene's."""
        return self.person > self.scene

    def of(self, person: torch.Tensor, scene: torch.Tensor) -> torch.Tensor:
        """Each place of (B, C, H, W) from one of the two; noises and denoised latents fuse alike."""
        return torch.where(self.is_person, person, scene)


def fuse(person_response: torch.Tensor, scene_response: torch.Tensor) -> Fusion:
    """The fusion that two models' responses, (B, C, H, W) each, call for."""
    return Fusion(log_saliency(person_response), log_saliency(scene_response))
