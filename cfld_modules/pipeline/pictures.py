"""Picture preparation for the networks and the final resize (docs/method.md, section 7)."""

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image

from ..poses.framing import Box, cut_picture


def prepare_picture(picture: np.ndarray, box: Box, size: int) -> torch.Tensor:
    """The box of an RGB uint8 picture (H, W, 3), squashed by bicubic resampling -> (3, size, size) in [-1, 1]."""
    squashed = Image.fromarray(cut_picture(picture, box)).resize((size, size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(squashed)).permute(2, 0, 1)
    return (pixels.float() / 255.0 - 0.5) / 0.5


def finish_pictures(decoded: torch.Tensor, width: int, height: int) -> np.ndarray:
    """The VAE's output (B, 3, H, W) in [-1, 1] -> RGB uint8 (B, height, width, 3), truncated as the authors do."""
    pixels = (decoded.float() * 0.5 + 0.5).clamp(0, 1)
    pixels = functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True)
    return (pixels * 255.0).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
