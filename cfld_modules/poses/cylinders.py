"""Finds the visible surface of a body's cylinders at each pixel, of all parts at once, and which part is in front.

A part has its number as of `body_parts`; tensors of numbers say of which part each value is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .body_parts import Part

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Cylinders:
    """P parts side by side, float32; NaN for those that nobody knows. See `Part`.

    start, along: (P, 3), where the axis begins, and from there to its end.
    half_width, half_depth, front: (P, 2). cap: (P,).
    """

    start: torch.Tensor
    along: torch.Tensor
    half_width: torch.Tensor
    half_depth: torch.Tensor
    front: torch.Tensor
    cap: torch.Tensor

    @property
    def known(self) -> torch.Tensor:
        """(P,) bool."""
        return ~self.cap.isnan()

    @property
    def length(self) -> torch.Tensor:
        return self.along.norm(dim=1)

    @property
    def length_in_picture(self) -> torch.Tensor:
        return self.along[:, :2].norm(dim=1)

    @property
    def direction(self) -> torch.Tensor:
        """(P, 2), of unit length, along the axis in the picture."""
        return self.along[:, :2] / self.length_in_picture[:, None]

    def cross_section(self, number: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """At shares of the axis: half width and depth of the ellipse that the viewer sees, the angle of its front."""
        begins, ends = self.front.unbind(dim=1)
        turn = torch.remainder(ends - begins + np.pi, 2 * np.pi) - np.pi
        front = begins[number] + share * turn[number]
        width = torch.lerp(self.half_width[number, 0], self.half_width[number, 1], share)
        depth = torch.lerp(self.half_depth[number, 0], self.half_depth[number, 1], share)
        cosine, sine = front.cos(), front.sin()
        radius = torch.hypot(width * cosine, depth * sine)
        return radius, torch.hypot(width * sine, depth * cosine), torch.atan2(depth * sine, width * cosine)

    def beside(
        self, number: torch.Tensor, share: torch.Tensor, across: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y at shares of the axis, and distances to its side."""
        right, down = self.direction.T
        x = self.start[number, 0] + share * self.along[number, 0] + across * down[number]
        return x, self.start[number, 1] + share * self.along[number, 1] - across * right[number]

    def scaled(self, scale: float) -> "Cylinders":
        half_width, half_depth = self.half_width * scale, self.half_depth * scale
        return replace(
            self, start=self.start * scale, along=self.along * scale, half_width=half_width, half_depth=half_depth
        )

    def with_widths(self, width: torch.Tensor, depth: torch.Tensor) -> "Cylinders":
        """As wide and deep (P, 2) as given, and as they are where that is NaN."""
        width = torch.where(width.isnan(), self.half_width, width)
        depth = torch.where(depth.isnan(), self.half_depth, depth)
        return replace(self, half_width=width, half_depth=depth)


@dataclass(frozen=True, eq=False)
class Surface:
    """What a picture of `width` columns sees of parts, in N pixels.

    number: (N,) int64, of the part; pixels: (N,) int64, row by row.
    share: (N,) along the axis, from 0 to 1; beyond: how far they lie in the rounding before 0 or after 1, from -1 to 1.
    angle: about the axis from the part's front, in radians; depth: away from the viewer.
    """

    number: torch.Tensor
    pixels: torch.Tensor
    share: torch.Tensor
    beyond: torch.Tensor
    angle: torch.Tensor
    depth: torch.Tensor

    def where(self, condition: torch.Tensor) -> "Surface":
        """Those pixels of (N,) bool."""
        chosen = condition.nonzero()[:, 0]
        return Surface(*(value.index_select(0, chosen) for value in vars(self).values()))


def cylinders(parts: Sequence[Part | None]) -> Cylinders:
    """One row a part."""
    none = np.full(2, np.nan)
    unknown = Part(np.full((2, 3), np.nan), none, none, none, np.nan)
    columns = zip(*(vars(part or unknown).values() for part in parts), strict=True)
    axis, *others = (torch.from_numpy(np.stack(column)).float() for column in columns)
    return Cylinders(axis[:, 0], axis[:, 1] - axis[:, 0], *others)


def seen_surface(body: Cylinders, height: int, width: int) -> tuple[torch.Tensor, Surface]:
    """(height, width) int64, the number of the part in front, or NOBODY; and the surface there, a spot a pixel."""
    surface = _surface(body, height, width)
    depth = torch.full((height * width,), torch.inf).scatter_reduce_(0, surface.pixels, surface.depth, "amin")
    surface = surface.where(surface.depth == depth[surface.pixels])
    owners = torch.full((height * width,), NOBODY)
    owners[surface.pixels] = surface.number
    return owners.view(height, width), surface


def _surface(body: Cylinders, height: int, width: int) -> Surface:
    """Of all parts, also where one hides another."""
    number, row, column = _pixels_about(body, height, width)
    (right, down), length = body.direction[number].T, body.length_in_picture[number]
    x, y = column - body.start[number, 0], row - body.start[number, 1]
    across, along = x * down - y * right, x * right + y * down
    share = (along / length).clamp(0, 1)
    radius, thickness, lean = body.cross_section(number, share)
    beyond = (along - share * length) / (body.cap[number] * radius)
    sine = across / (radius * (1 - beyond.square()).clamp(min=0).sqrt())
    nearer = thickness * (1 - sine.square()).clamp(min=0).sqrt()
    depth = body.start[number, 2] + share * body.along[number, 2] - nearer
    surface = Surface(number, row * width + column, share, beyond, sine.asin() - lean, depth)
    return surface.where((sine.abs() < 1) & (beyond.abs() < 1))


def _pixels_about(body: Cylinders, height: int, width: int) -> tuple[torch.Tensor, ...]:
    """Number, row and column of the pixels in the rectangle about each part.

    It is as wide as the part is anywhere, and reaches beyond its ends as its rounding does.
    """
    widest = torch.maximum(body.half_width.amax(dim=1), body.half_depth.amax(dim=1))[:, None]
    cap, length = body.cap[:, None] * widest, body.length_in_picture[:, None]
    right, down = body.direction.T[:, :, None]
    y = torch.arange(height) - body.start[:, 1, None]
    sides = _between(y * right - widest, y * right + widest, down)
    ends = _between(-cap - y * down, length + cap - y * down, right)
    least = body.start[:, :1] + torch.maximum(sides[0], ends[0])
    largest = body.start[:, :1] + torch.minimum(sides[1], ends[1])
    first = least.nan_to_num(width).ceil().clamp(0, width).long().flatten()
    last = largest.nan_to_num(-1).floor().clamp(-1, width - 1).long().flatten()
    counts = (last + 1 - first).clamp(min=0)
    line = torch.arange(len(first)).repeat_interleave(counts)
    column = torch.arange(len(line)) + (first - counts.cumsum(dim=0) + counts)[line]
    return line // height, line % height, column


def _between(low: torch.Tensor, high: torch.Tensor, slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and largest x for which slope * x lies between them; far apart or crossed over where there is no slope."""
    slope = torch.where(slope.abs() < 1e-6, 1e-6, slope)
    return torch.minimum(low / slope, high / slope), torch.maximum(low / slope, high / slope)
