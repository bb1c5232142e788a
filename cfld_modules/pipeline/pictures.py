"""Pictures from what the VAE decodes, resized to the size that was asked for (docs/method.md, section 7)."""

import numpy as np
import torch
import torch.nn.functional as functional


def finish_pictures(decoded: torch.Tensor, width: int, height: int) -> np.ndarray:
    """The VAE's output (B, 3, H, W) in [-1, 1] -> RGB uint8 (B, height, width, 3), truncated as the authors do."""
    pixels = (decoded.float() * 0.5 + 0.5).clamp(0, 1)
    pixels = functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True)
    return (pixels * 255.0).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
