"""Compact, Real-ESRGAN's small upscaler, under the names by which ComfyUI's upscale models load it."""

from itertools import product

import torch
import torch.nn.functional as functional
from torch import nn

NEIGHBOURHOOD = 27
"""Numbers of a pixel and its eight neighbours."""
HIDDEN_WEIGHTS = 0.1
"""Factor of PyTorch's own initial weights, beside the identity."""


class Compact(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] -> (B, 3, scale * H, scale * W), at first about bicubic interpolation.

    Convolutions of 3x3 at the size of the input, a PReLU after each but the last, whose channels are the pixels of the
    result; what they draw is added to the input's repeated pixels. Source: SRVGGNetCompact of xinntao/Real-ESRGAN.

    width: of the hidden maps, at least `NEIGHBOURHOOD`.
    """

    def __init__(self, width: int = 32, convolutions: int = 16, scale: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, nn.Conv2d(width, 3 * scale**2, 3, padding=1)])
        self.scale = scale
        begin_bicubic([layer for layer in self.body if isinstance(layer, nn.Conv2d)], scale)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        hidden = pictures
        for layer in self.body:
            hidden = layer(hidden)
        repeated = functional.interpolate(pictures, scale_factor=self.scale, mode="nearest")
        return functional.pixel_shuffle(hidden, self.scale) + repeated


@torch.no_grad()
def begin_bicubic(convolutions: list[nn.Conv2d], scale: int) -> None:
    """The first layer copies each pixel's neighbourhood, the hidden ones hand it on, since colours are not negative,
    and the last weighs it as bicubic interpolation does. PyTorch's own weights fade within 16 layers and learn next to
    nothing.
    """
    first, *hidden, last = convolutions
    for layer in convolutions:
        for name, parameter in layer.named_parameters():
            parameter.mul_(HIDDEN_WEIGHTS if layer in hidden and name == "weight" else 0.0)
    for layer in hidden:
        copied = torch.arange(NEIGHBOURHOOD)
        layer.weight[:NEIGHBOURHOOD] = 0
        layer.weight[copied, copied, 1, 1] = 1
    for colour, down, right in product(range(3), repeat=3):
        first.weight[_copy(colour, down, right), colour, down, right] = 1
    impulses = torch.eye(25).view(25, 1, 5, 5)
    middle = slice(2 * scale, 3 * scale)
    bicubic, repeated = (
        functional.interpolate(impulses, scale_factor=scale, mode=mode)[:, 0, middle, middle].reshape(5, 5, -1)
        for mode in ("bicubic", "nearest")
    )
    pixels_of_colours = last.weight.view(3, scale**2, -1, 3, 3)
    for colour, down, right in product(range(3), range(5), range(5)):
        # A neighbour two pixels away is the kernel's neighbour's copy of its own.
        near_down, near_right = (min(max(place - 1, 0), 2) for place in (down, right))
        taps = (bicubic - repeated)[down, right]
        pixels_of_colours[colour, :, _copy(colour, near_down, near_right), down - near_down, right - near_right] = taps


def _copy(colour: int, down: int, right: int) -> int:
    return 9 * colour + 3 * down + right
