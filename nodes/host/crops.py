"""Where the latents of a U-Net call lie: in the picture, for masks, and in the figure, for pose and appearance.

A conditioning area is a frame of its own with the whole figure in it, but only a part of the picture's mask. A tile,
cut out by an upscaler or a tiled sampler, is a part of both. The crops travel as coordinates in an entry of
`model_conds`, a picture of them, so that whatever crops the latents crops them alike.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import comfy.conds
import comfy.utils
import torch

from ...cfld_modules.networks.pose_adapter import resample_map

CROP = "cfld_crop"
SAMPLES = 2  # coordinates a latent pixel, each way: TiledDiffusion cuts maps, but fails at those of the latents' size
HINT_SIDE = 512  # of the coordinates that stand where a ControlNet has its hint; a tile's edges are exact to 1/512


@dataclass(frozen=True)
class Part:
    """A rectangle of a whole, in shares of its height and width."""

    top: float
    left: float
    bottom: float
    right: float


WHOLE = Part(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Crop:
    """Of one row of a call: the part of the picture and of the figure's frame that its latents are."""

    picture: Part
    figure: Part


class CropCond(comfy.conds.CONDRegular):
    """(n, 4, SAMPLES h, SAMPLES w): y and x in the picture, then in the figure's frame."""

    def process_cond(self, batch_size: int, area: Any = None, **kwargs: Any) -> comfy.conds.CONDRegular:
        coordinates = self.cond
        if area is not None:
            dimensions = len(area) // 2
            for axis in range(dimensions):
                coordinates = coordinates.narrow(axis + 2, SAMPLES * area[axis + dimensions], SAMPLES * area[axis])
            frame = coordinates_of([WHOLE], *coordinates.shape[2:]).expand(len(coordinates), -1, -1, -1)
            coordinates = torch.cat([coordinates[:, :2], frame], dim=1)
        return comfy.conds.CONDRegular(comfy.utils.repeat_to_batch_size(coordinates, batch_size))


def crop_cond(parts: Iterable[Part], height: int, width: int) -> CropCond:
    """The crops of latents that show these parts of the picture, and of the figure, one or one a row."""
    coordinates = coordinates_of(list(parts), SAMPLES * height, SAMPLES * width)
    return CropCond(torch.cat([coordinates, coordinates], dim=1))


def coordinates_of(parts: list[Part], height: int, width: int) -> torch.Tensor:
    """(n, 2, height, width): y and x of the pixels' centres in `parts`."""
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    return torch.stack([
        torch.stack(torch.meshgrid(
            part.top + rows * (part.bottom - part.top), part.left + columns * (part.right - part.left), indexing="ij"
        ))
        for part in parts
    ])


def row_crops(coordinates: torch.Tensor) -> list[Crop]:
    """`CROP` of a call (n, 4, SAMPLES h, SAMPLES w) -> each row's crop."""
    size = torch.tensor(coordinates.shape[2:] * 2)
    first, last = coordinates[:, :, 0, 0].cpu(), coordinates[:, :, -1, -1].cpu()
    half = (last - first) / (size - 1) / 2
    starts, ends = (first - half).tolist(), (last + half).tolist()
    corners = [[round(number, 5) for number in (*start, *end)] for start, end in zip(starts, ends, strict=True)]
    return [Crop(Part(y0, x0, y1, x1), Part(v0, u0, v1, u1)) for y0, x0, v0, u0, y1, x1, v1, u1 in corners]


def hint() -> torch.Tensor:
    """(1, 3, HINT_SIDE, HINT_SIDE): coordinates in the place of a ControlNet's picture, to be cropped like one."""
    coordinates = coordinates_of([WHOLE], HINT_SIDE, HINT_SIDE)
    return torch.cat([coordinates, torch.zeros_like(coordinates[:, :1])], dim=1)


def parts_of_hint(cropped: torch.Tensor) -> list[Part]:
    """`hint()` as a pack has cropped it, resized to any size by taking nearest pixels -> each batch item's part."""
    first = (cropped[:, :2, 0, 0] * HINT_SIDE).floor().tolist()
    last = (cropped[:, :2, -1, -1] * HINT_SIDE).floor().tolist()
    return [
        Part(*(edge / HINT_SIDE for edge in (top, left, bottom + 1, right + 1)))
        for (top, left), (bottom, right) in zip(first, last, strict=True)
    ]


def pick_rows(
    rows: torch.Tensor, crops: list[Crop], prepared: Callable[[Crop], torch.Tensor]
) -> torch.Tensor:
    """Row i is entry `rows[i]` of what is prepared for the i-th row's crop."""
    if len(set(crops)) == 1:
        bank = prepared(crops[0])
        return bank[rows.to(bank.device)]
    return torch.stack([prepared(crop)[row] for row, crop in zip(rows.tolist(), crops, strict=True)])


def cut(maps: torch.Tensor, part: Part, grid: tuple[int, int]) -> torch.Tensor:
    """A part of maps (B, C, H, W) on a (rows, columns) grid: resampled as for the whole, then cropped."""
    height, width = part.bottom - part.top, part.right - part.left
    whole = (max(grid[0], round(grid[0] / height)), max(grid[1], round(grid[1] / width)))
    top = min(max(round(part.top * whole[0]), 0), whole[0] - grid[0])
    left = min(max(round(part.left * whole[1]), 0), whole[1] - grid[1])
    return resample_map(maps, whole)[..., top : top + grid[0], left : left + grid[1]]


def cut_mask(mask: torch.Tensor, part: Part, grid: tuple[int, int]) -> torch.Tensor:
    """A part of masks (B, 1, H, W) on a (rows, columns) grid: cropped at its pixels, so that nothing leaks in."""
    height, width = mask.shape[2:]
    top, left = min(round(part.top * height), height - 1), min(round(part.left * width), width - 1)
    bottom, right = max(round(part.bottom * height), top + 1), max(round(part.right * width), left + 1)
    return resample_map(mask[..., top:bottom, left:right], grid)
