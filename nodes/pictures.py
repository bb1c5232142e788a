"""Reads and makes the pictures and masks of all nodes; errors are ValueErrors that name the node and the input."""

import logging

import comfy.model_management
import numpy as np
import torch

from ..cfld_modules.photographs import STUDIO_WALL

BAND_NUMBERS = 250_000  # of a picture that are changed at a time: few enough for the processor's cache
OVERSHOOT = 0.2  # beyond 0 and 1, which bicubic resampling leaves beside hard edges
BRIGHT_BYTE = 200  # a mask or a picture from 0 to 255 reaches it, a table of labels or numbers of another unit hardly

logger = logging.getLogger("cfld")


def read_pictures(node: str, name: str, image: object) -> torch.Tensor:
    """An IMAGE as RGB float32 (B, H, W, 3); one channel is grey, a fourth is opacity over the studio's wall.

    Integers are taken for 0 to 255, as files have them. So are floats that can be nothing else, and floats from -1 to
    1, as networks have them, for what they are. Anything but finite pixels of these ranges and channels is an error.
    """
    image = _tensor(node, name, image, "an IMAGE", (torch.uint8,))
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or not image.numel():
        raise ValueError(
            f"{node}: input '{name}' has the shape {tuple(image.shape)}; an IMAGE has the axes batch, height, width "
            "and channels, none empty, with 1 (grey), 3 (RGB) or 4 (RGBA) channels"
        )
    if image.dtype == torch.uint8:
        colours, opacity = image[..., :3] / 255.0, image[..., 3:] / 255.0
    else:
        colours, opacity = _colours(node, name, image[..., :3].float()), image[..., 3:].float()
    if opacity.numel():
        return on_studio_wall(colours, _opacity(node, name, opacity[..., 0]))
    return colours.expand(-1, -1, -1, 3)


def read_masks(node: str, name: str, mask: object) -> torch.Tensor:
    """A MASK as float32 (B, H, W) in [0, 1]; two axes are one mask. One from 0 to 255 is taken for what it is."""
    mask = _tensor(node, name, mask, "a MASK", (torch.bool,))
    if mask.ndim not in (2, 3) or not mask.numel():
        raise ValueError(
            f"{node}: input '{name}' has the shape {tuple(mask.shape)}; a MASK has the axes batch, height and width, "
            "none empty"
        )
    mask = _opacity(node, name, mask.float())
    return mask if mask.ndim == 3 else mask[None]


def _colours(node: str, name: str, pixels: torch.Tensor) -> torch.Tensor:
    low, high = (extreme.item() for extreme in pixels.aminmax())
    if low >= -1.001 and high <= 1.001 and low <= -0.5:
        logger.warning(f"{node}: input '{name}' goes from {low:.3g} to {high:.3g}, and is read as -1 to 1")
        return pixels * 0.5 + 0.5
    looks_like_bytes = low >= 0 and 2 <= high <= 255
    is_bytes = looks_like_bytes and ((high >= BRIGHT_BYTE and bool(pixels.mean() > 1)) or _is_whole(pixels))
    return _in_range(node, name, "an IMAGE", pixels, is_bytes)


def _opacity(node: str, name: str, values: torch.Tensor) -> torch.Tensor:
    low, high = values.aminmax()
    return _in_range(node, name, "a MASK", values, bool(low >= 0 and BRIGHT_BYTE <= high <= 255))


def _in_range(node: str, name: str, what: str, values: torch.Tensor, is_bytes: bool) -> torch.Tensor:
    """The values in [0, 1]: those of bytes are divided, those that resampling brought a little beyond are cut off."""
    low, high = (extreme.item() for extreme in values.aminmax())
    if 0 <= low and high <= 1:
        return values
    if is_bytes:
        logger.warning(f"{node}: input '{name}' goes from {low:g} to {high:g}, and is read as 0 to 255")
        return values / 255.0
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise ValueError(
            f"{node}: input '{name}' goes from {low:.5g} to {high:.5g}; {what} holds floats from 0 to 1. Look at the "
            "node before this one, and bring its numbers to that range"
        )
    return values.clamp(0, 1)


def _is_whole(values: torch.Tensor) -> bool:
    return all(bool((part == part.round()).all()) for part in values.flatten().split(2**20))


def on_studio_wall(pictures: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
    """Pictures (..., H, W, 3) where opacity (..., H, W) is 1, the wall of studio photographs where it is 0."""
    wall = pictures.new_tensor(STUDIO_WALL) / 255.0
    return torch.lerp(wall, pictures, opacity[..., None])


def picture_array(picture: torch.Tensor) -> np.ndarray:
    """One picture of `read_pictures`, (H, W, 3) -> RGB uint8 (H, W, 3), with little other memory than that."""
    array = torch.empty_like(picture, dtype=torch.uint8)
    rows = max(1, BAND_NUMBERS // max(1, picture[0].numel()))
    for band, pixels in zip(array.split(rows), picture.split(rows), strict=True):
        band.copy_(pixels.mul(255.0).clamp_(0, 255).round_())
    return array.cpu().numpy()


def image_batch(pictures: list[np.ndarray]) -> torch.Tensor:
    """RGB uint8 pictures of one size -> IMAGE (B, H, W, 3) in [0, 1], with no other memory than that."""
    batch = torch.empty(len(pictures), *pictures[0].shape)
    for row, picture in zip(batch, pictures, strict=True):
        row.copy_(torch.from_numpy(picture))
    return batch.div_(255.0)


def check_memory(node: str, pictures: int, width: int, height: int) -> None:
    """That so many pictures can be drawn and put into an `image_batch`, at 5 bytes a number, in the memory there is."""
    needed_bytes = 5 * 3 * pictures * width * height
    free_bytes = comfy.model_management.get_free_memory(torch.device("cpu"))
    if needed_bytes > free_bytes:
        raise ValueError(
            f"{node}: {pictures} pictures of {width}x{height} need {needed_bytes / 1e9:.1f} GB of memory, and "
            f"{free_bytes / 1e9:.1f} GB are free; give a smaller width and height, or fewer frames"
        )


def _tensor(node: str, name: str, value: object, what: str, exact: tuple[torch.dtype, ...]) -> torch.Tensor:
    """The value if it is a tensor of finite floats, or of one of the dtypes `exact`."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{node}: input '{name}' is a {type(value).__name__}; connect {what}")
    if value.dtype in exact:
        return value
    if not value.is_floating_point():
        raise ValueError(f"{node}: input '{name}' holds numbers of {value.dtype}; {what} holds floats from 0 to 1")
    if value.numel() and not all(extreme.isfinite() for extreme in value.aminmax()):  # isfinite() needs memory
        raise ValueError(
            f"{node}: input '{name}' has numbers that are NaN or infinite; {what} holds floats from 0 to 1. Look at "
            "the node before this one: half precision often makes such numbers"
        )
    return value
