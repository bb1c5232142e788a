"""Regions: squares of a picture, turned or not, that are cut out for a network and whose points are put back."""

from dataclasses import dataclass

import cv2
import numpy as np

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
        """The square as (size, size, C); what lies beyond the picture is 0.

        A square much larger than `size` is cut as a multiple of it and averaged, so that fine patterns do not alias.
        """
        fine = size * max(1, round(self.side / size))
        square = cv2.warpAffine(
            picture, self._pixels(fine), (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        return square if fine == size else cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)

    def paste(self, square: np.ndarray, width: int, height: int) -> np.ndarray:
        """A map (size, size) of the square where it belongs in a picture: (height, width), 0 outside the square."""
        return cv2.warpAffine(square, self._pixels(len(square)), (width, height), flags=cv2.INTER_LINEAR)

    def _pixels(self, size: int) -> np.ndarray:
        """(2, 3): from pixel (x, y) of the cut square to the picture's; OpenCV has pixel centres at whole numbers."""
        across = self.axes.T / size
        first = self.to_picture(np.full(2, 0.5 / size)) - 0.5
        return np.hstack([across, first[:, None]])


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
