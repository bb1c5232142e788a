"""Pose adapter (docs/method.md, section 4): turns drawings of a pose into additions to the U-Net's down path."""

import torch
import torch.nn.functional as functional
from torch import nn

from .config import PoseAdapterConfig

UNSHUFFLE = 4
GROUPS, GROUP_EPS = 32, 1e-6


class ResnetBlock(nn.Module):
    """Norm, SiLU, 3x3 convolution, twice, beside a 1x1 convolution where the width changes."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, width_in, eps=GROUP_EPS)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, width_out, eps=GROUP_EPS)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(width_in, width_out, 1) if width_in != width_out else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, width_in, H, W) -> (B, width_out, H, W)."""
        hidden = self.conv1(functional.silu(self.norm1(maps)))
        hidden = self.conv2(functional.silu(self.norm2(hidden)))
        return hidden + (maps if self.conv_shortcut is None else self.conv_shortcut(maps))


class PoseAdapter(nn.Module):
    """Three residual blocks, the map of each kept, 2x2 average pooling between them; no zero convolutions."""

    def __init__(self, config: PoseAdapterConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(config.channels * UNSHUFFLE**2, config.widths[0], 1)
        inputs = (config.widths[0], *config.widths[:-1])
        self.resnets = nn.ModuleList(
            ResnetBlock(before, after) for before, after in zip(inputs, config.widths, strict=True)
        )

    def forward(self, pose_maps: torch.Tensor) -> list[torch.Tensor]:
        """(B, 21, S, S) in [0, 1] -> [(B, 320, S/4, S/4), (B, 640, S/8, S/8), (B, 1280, S/16, S/16)]."""
        hidden = self.conv_in(functional.pixel_unshuffle(pose_maps, UNSHUFFLE))
        features: list[torch.Tensor] = []
        for resnet in self.resnets:
            if features:
                hidden = functional.avg_pool2d(hidden, 2)
            hidden = resnet(hidden)
            features.append(hidden)
        return features


def resample_map(features: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """A map (B, C, H, W) on the (rows, columns) of a U-Net layer; untouched when that is its grid."""
    if tuple(features.shape[-2:]) == grid:
        return features
    singles = features.float()  # PyTorch resamples no half types on a CPU
    resampled = functional.interpolate(singles, size=grid, mode="bilinear", antialias=True, align_corners=False)
    return resampled.to(features.dtype)
