"""Finds which part of the picture and of the person a U-Net call covers, in tiles, areas and windows.

A conditioning area is a frame of its own with the whole figure in it, but only a part of the picture's mask. A tile,
cut out by an upscaler or a tiled sampler, is a part of both. The crops travel as coordinates in an entry of
`model_conds`, a picture of them, so that whatever crops the latents crops them alike.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.conds
import comfy.utils
import torch

from ...cfld_modules.networks.pose_adapter import resample_map

CROP = "cfld_crop"
SAMPLES = 2  # coordinates a latent pixel, each way: TiledDiffusion cuts maps, but fails at those of the latents' size
HINT_SIDE = 512  # of the coordinates that stand where a ControlNet has its hint; a tile's edges are exact to 1/512
SEAM = 1 + 1e-4  # a part that ends beyond it goes on at the other edge


@dataclass(frozen=True)
class Part:
    """A rectangle of a whole, in shares of its height and width; one that ends beyond 1 goes on at the other edge."""

    top: float
    left: float
    bottom: float
    right: float

    def of(self, outer: "Part") -> "Part":
        """This part of a part of a whole, as a part of that whole."""
        height, width = outer.bottom - outer.top, outer.right - outer.left
        return Part(
            outer.top + self.top * height, outer.left + self.left * width,
            outer.top + self.bottom * height, outer.left + self.right * width,
        )


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


def part_of_window(axis: int, indices: Sequence[int], total: int) -> Part:
    """The part that rows (axis 0) or columns (1) of a whole are, evenly spaced; they may go on at the other edge."""
    first, last = (indices[0] + 0.5) / total, (indices[-1] + 0.5) / total
    if last < first:
        last += 1
    half = (last - first) / (len(indices) - 1) / 2 if len(indices) > 1 else 0.5 / total
    start, end = first - half, last + half
    return Part(start, 0.0, end, 1.0) if axis == 0 else Part(0.0, start, 1.0, end)


def locate(part: torch.Tensor, whole: torch.Tensor) -> list[tuple[int, Part]] | None:
    """Of which row of a whole (B, C, H, W), and where, each row of a part (n, C, h, w) was cut out.

    None where one is found nowhere, or in several places.
    """
    (height, width), (rows, columns) = whole.shape[2:], part.shape[2:]
    if rows > height or columns > width:
        return None
    corners = whole[:, :, : height - rows + 1, : width - columns + 1]
    located = []
    for one in part:
        places = [
            (row, y, x) for row, y, x in (corners == one[None, :, :1, :1]).all(dim=1).nonzero().tolist()
            if torch.equal(whole[row, :, y : y + rows, x : x + columns], one)
        ]
        if len({place[1:] for place in places}) != 1:
            return None
        row, y, x = places[0]
        located.append((row, Part(y / height, x / width, (y + rows) / height, (x + columns) / width)))
    return located


def add_rows(
    tensor: torch.Tensor, rows: Sequence[int], crops: Sequence[Crop], prepared: Callable[[Crop], torch.Tensor]
) -> torch.Tensor:
    """In place: to row i of a tensor, entry `rows[i] - 1` of what is prepared for the i-th row's crop; 0 adds nothing.

    Rows that follow one another are added by slices: an index tensor would have to go to the device in every layer.
    """
    start = 0
    while start < len(rows):
        end, row = start + 1, rows[start]
        while end < len(rows) and crops[end] == crops[start] and rows[end] == row:
            end += 1
        if row and end == start + 1:  # as many people or poses, one after the other
            while end < len(rows) and crops[end] == crops[start] and rows[end] == rows[end - 1] + 1:
                end += 1
        if row:
            tensor[start:end].add_(prepared(crops[start])[row - 1 : rows[end - 1]])
        start = end
    return tensor


def cut(maps: torch.Tensor, part: Part, grid: tuple[int, int]) -> torch.Tensor:
    """A part of maps (B, C, H, W) on a (rows, columns) grid: resampled as for the whole, then cropped."""
    height, width = part.bottom - part.top, part.right - part.left
    whole = (max(grid[0], round(grid[0] / height)), max(grid[1], round(grid[1] / width)))
    top, left = round(part.top * whole[0]), round(part.left * whole[1])
    if part.bottom <= SEAM:
        top = min(max(top, 0), whole[0] - grid[0])
    if part.right <= SEAM:
        left = min(max(left, 0), whole[1] - grid[1])
    return resample_map(maps, whole).roll((-top, -left), (2, 3))[..., : grid[0], : grid[1]]


def cut_mask(mask: torch.Tensor, part: Part, grid: tuple[int, int]) -> torch.Tensor:
    """A part of masks (B, 1, H, W) on a (rows, columns) grid: cropped at its pixels, so that nothing leaks in."""
    height, width = mask.shape[2:]
    top, left = (min(max(round(edge * side), 0), side - 1) for edge, side in ((part.top, height), (part.left, width)))
    bottom, right = max(round(part.bottom * height), top + 1), max(round(part.right * width), left + 1)
    return resample_map(mask.roll((-top, -left), (2, 3))[..., : bottom - top, : right - left], grid)
