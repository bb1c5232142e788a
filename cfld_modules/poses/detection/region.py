"""Regions: squares of a picture, turned or not, that are cut out for a network and whose points are put back."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

UPRIGHT = np.array([0.0, -1.0])


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

    def cut(self, picture: np.ndarray, size: int) -> np.ndarray:
        """The square of an RGB uint8 picture (H, W, 3) as (size, size, 3); what lies beyond the picture is 0.

        A square much larger than `size` is cut as a multiple of it and averaged, so that fine patterns do not alias.
        """
        factor = max(1, round(self.side / size))
        square = _transformed(picture, self._to_picture_pixels(factor * size), factor * size, factor * size)
        return np.array(square.reduce(factor))

    def paste(self, square: np.ndarray, width: int, height: int) -> np.ndarray:
        """A map (size, size) of the square where it belongs in a picture: (height, width), 0 outside the square."""
        matrix = np.vstack([self._to_picture_pixels(len(square)), [0, 0, 1]])
        return np.array(_transformed(square.astype(np.float32), np.linalg.inv(matrix)[:2], width, height))

    def _to_picture_pixels(self, size: int) -> np.ndarray:
        """(2, 3): from (x, y) in pixels of the cut square, from its top left corner, to the picture's."""
        return np.hstack([self.axes.T / size, self.to_picture(np.zeros(2))[:, None]])


def _transformed(pixels: np.ndarray, to_source: np.ndarray, width: int, height: int) -> Image.Image:
    return Image.fromarray(pixels).transform(
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
