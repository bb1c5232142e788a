"""The trained networks of CFLD as one module, under the published tensor names."""

from dataclasses import dataclass

import torch
from torch import nn

from .config import CFLDConfig
from .hga import AppearanceEncoder
from .initial import normal_parameter
from .pose_adapter import PoseAdapter
from .prd import PerceptionRefinedDecoder
from .swin import SourceEncoder


@dataclass(frozen=True)
class Appearance:
    """What a source picture becomes, computed once a picture.

    prompt: coarse-grained prompt (B, queries, width), the U-Net's context.
    residuals: {block 3..11: (B, L, query width)}, added to the cross-attention queries of that up block.
    """

    prompt: torch.Tensor
    residuals: dict[int, torch.Tensor]


class CFLD(nn.Module):
    """Source encoder, appearance encoder, decoder, pose adapter and the learnt unconditional context."""

    def __init__(self, config: CFLDConfig) -> None:
        super().__init__()
        self.config = config
        self.learnable_vector = normal_parameter(1, config.context_tokens, config.decoder.width, deviation=1.0)
        self.backbone = SourceEncoder(config.source)
        if config.hga:
            self.appearance_encoder = AppearanceEncoder(config.appearance, config.source.widths)
        self.pose_encoder = PoseAdapter(config.pose)
        self.decoder: nn.Module
        map_tokens, map_width = config.source.grids[-1] ** 2, config.source.widths[-1]
        if config.context == "prd":
            self.decoder = PerceptionRefinedDecoder(config.decoder, map_tokens, map_width)
        else:
            self.decoder = nn.Linear(map_width, config.decoder.width, bias=False)

    def encode_source(self, pixels: torch.Tensor) -> Appearance:
        """Source pictures (B, 3, S, S) in [-1, 1], S the config's image size."""
        features = self.backbone(pixels)
        residuals = self.appearance_encoder(features) if self.config.hga else {}
        return Appearance(self.decoder(features[-1]), residuals)

    def encode_pose(self, pose_maps: torch.Tensor) -> list[torch.Tensor]:
        """Pose maps (B, 21, S, S) in [0, 1] -> three maps for the U-Net's down path."""
        return self.pose_encoder(pose_maps)

    @property
    def device(self) -> torch.device:
        return self.learnable_vector.device

    @property
    def dtype(self) -> torch.dtype:
        return self.learnable_vector.dtype
