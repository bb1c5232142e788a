"""Pictures and masks on the wires: read in one place, with errors that name node and input, and made in one place."""

import comfy.model_management
import numpy as np
import torch

from ..cfld_modules.photographs import STUDIO_WALL

BAND = 64  # rows of a picture that are changed at a time


def read_pictures(node: str, name: str, image: object) -> torch.Tensor:
    """An IMAGE as RGB float32 (B, H, W, 3); one channel is grey, a fourth is opacity over the studio's wall.

    Integers are taken for 0 to 255, as files have them.

    Raises:
        ValueError: naming node, input and what it is, for anything but finite pixels of 1, 3 or 4 channels.
    """
    image = _tensor(node, name, image, "an IMAGE", (torch.uint8,))
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or not image.numel():
        raise ValueError(
            f"{node}: input '{name}' has the shape {tuple(image.shape)}; an IMAGE has the axes batch, height, width "
            "and channels, none empty, with 1 (grey), 3 (RGB) or 4 (RGBA) channels"
        )
    pixels = image / 255.0 if image.dtype == torch.uint8 else image.float()
    if pixels.shape[-1] == 4:
        return on_studio_wall(pixels[..., :3], pixels[..., 3])
    return pixels.expand(-1, -1, -1, 3)


def read_masks(node: str, name: str, mask: object) -> torch.Tensor:
    """A MASK as float32 (B, H, W); two axes are one mask.

    Raises:
        ValueError: naming node, input and what it is, for anything else.
    """
    mask = _tensor(node, name, mask, "a MASK", (torch.bool,))
    if mask.ndim not in (2, 3) or not mask.numel():
        raise ValueError(
            f"{node}: input '{name}' has the shape {tuple(mask.shape)}; a MASK has the axes batch, height and width, "
            "none empty"
        )
    return mask.float() if mask.ndim == 3 else mask.float()[None]


def on_studio_wall(pictures: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
    """Pictures (..., H, W, 3) where opacity (..., H, W) is 1, the wall of studio photographs where it is 0."""
    wall = pictures.new_tensor(STUDIO_WALL) / 255.0
    return torch.lerp(wall, pictures, opacity.clamp(0, 1)[..., None])


def picture_array(picture: torch.Tensor) -> np.ndarray:
    """One picture of `read_pictures`, (H, W, 3) -> RGB uint8 (H, W, 3), with little other memory than that."""
    array = torch.empty_like(picture, dtype=torch.uint8)
    for band, pixels in zip(array.split(BAND), picture.split(BAND), strict=True):
        band.copy_(pixels.mul(255.0).clamp_(0, 255).round_())
    return array.cpu().numpy()


def image_batch(pictures: list[np.ndarray]) -> torch.Tensor:
    """RGB uint8 pictures of one size -> IMAGE (B, H, W, 3) in [0, 1], with no other memory than that."""
    batch = torch.empty(len(pictures), *pictures[0].shape)
    for row, picture in zip(batch, pictures, strict=True):
        row.copy_(torch.from_numpy(picture))
    return batch.div_(255.0)


def check_memory(node: str, pictures: int, width: int, height: int) -> None:
    """That so many pictures can be drawn and put into an `image_batch`: 5 bytes a number.

    Raises:
        ValueError: when they need more memory than is free.
    """
    needed = 5 * 3 * pictures * width * height
    free = comfy.model_management.get_free_memory(torch.device("cpu"))
    if needed > free:
        raise ValueError(
            f"{node}: {pictures} pictures of {width}x{height} need {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free; give a smaller width and height, or fewer frames"
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
