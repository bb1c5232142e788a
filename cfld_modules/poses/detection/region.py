"""Regions: squares of a picture, turned or not, that are cut out for a network and whose points are put back."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

UPRIGHT = np.array([0.0, -1.0])
MARGIN = 2  # pixels around a region that interpolation looks at
MOST_OVERSAMPLING = 16  # a side: beyond, the memory would not be bounded
BAND_PIXELS = 4_000_000  # that are shrunk at a time


@dataclass(frozen=True, eq=False)
class Region:
    """A square of a picture; it may be turned, and may reach beyond the picture.

    centre: (x, y) in pixels of the picture.
    side: length in pixels.
    up: unit vector of the picture that points up in the square.
    """

    centre: np.ndarray
    side: float
    up: np.ndarray

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): the square's x and y axis, as long as its side, in pixels of the picture."""
        down = -self.up
        return self.side * np.stack([[down[1], -down[0]], down])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) in shares of the square, from its top left corner, -> pixels of the picture."""
        return self.centre + (points - 0.5) @ self.axes

    def cut(self, picture: Image.Image, size: int) -> np.ndarray:
        """The square of an RGB picture as uint8 (size, size, 3); what lies beyond the picture is 0.

        A square much larger than `size` is cut as a multiple of it and averaged, so that fine patterns do not alias.
        """
        factor = min(max(1, round(self.side / size)), MOST_OVERSAMPLING)
        samples = factor * size
        return np.array(_transformed(picture, self._to_picture_pixels(samples), samples, samples).reduce(factor))

    def paste(self, square: np.ndarray, canvas: np.ndarray) -> None:
        """Puts a map (size, size) of the square into one of the picture (H, W); of two numbers, the larger stays."""
        rows, columns = self._box(canvas.shape[1], canvas.shape[0])
        target = canvas[rows, columns]
        if target.size:
            region_in_cut = Region(self.centre - (columns.start, rows.start), self.side, self.up)
            matrix = np.linalg.inv(np.vstack([region_in_cut._to_picture_pixels(len(square)), [0, 0, 1]]))[:2]
            pasted = _transformed(Image.fromarray(square.astype(np.float32)), matrix, *target.shape[::-1])
            np.maximum(target, np.asarray(pasted), out=target)

    def scaled(self, factor: float) -> "Region":
        """In a picture that is so many times as large."""
        return Region(self.centre * factor, self.side * factor, self.up)

    def _box(self, width: int, height: int) -> tuple[slice, slice]:
        """The rows and columns of a picture that the square lies in."""
        reach = np.abs(self.axes).sum(axis=0) / 2 + MARGIN
        starts = np.clip(np.floor(self.centre - reach), 0, (width, height)).astype(int).tolist()
        ends = np.clip(np.ceil(self.centre + reach), 0, (width, height)).astype(int).tolist()
        return slice(starts[1], ends[1]), slice(starts[0], ends[0])

    def _to_picture_pixels(self, size: int) -> np.ndarray:
        """(2, 3): from (x, y) in pixels of the cut square, from its top left corner, to the picture's."""
        return np.hstack([self.axes.T / size, self.to_picture(np.zeros(2))[:, None]])


def shrink(picture: np.ndarray, factor: int) -> Image.Image:
    """RGB uint8 (H, W, 3) -> means over squares of `factor` pixels; in bands, as Pillow copies four bytes a pixel."""
    rows = factor * max(1, BAND_PIXELS // (factor * picture.shape[1]))
    bands = (picture[start : start + rows] for start in range(0, len(picture), rows))
    return Image.fromarray(np.concatenate([np.asarray(Image.fromarray(band).reduce(factor)) for band in bands]))


def _transformed(source: Image.Image, to_source: np.ndarray, width: int, height: int) -> Image.Image:
    return source.transform(
        (width, height), Image.Transform.AFFINE, tuple(to_source.ravel()), Image.Resampling.BILINEAR
    )


def whole_picture(width: int, height: int) -> Region:
    """The smallest upright square that holds a picture."""
    return Region(np.array([width / 2, height / 2]), float(max(width, height)), UPRIGHT)


def tiles(width: int, height: int, side: float) -> list[Region]:
    """Upright squares that cover a picture, each overlapping the next by half of its side at least."""
    places = [
        np.linspace(side / 2, length - side / 2, int(np.ceil(2 * (length - side) / side)) + 1) if length > side
        else [length / 2]
        for length in (width, height)
    ]
    return [Region(np.array([x, y]), side, UPRIGHT) for y in places[1] for x in places[0]]
