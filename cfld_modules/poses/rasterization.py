"""Lines and discs, bit for bit as OpenCV 5 (Apache-2.0) draws them: CFLD was trained on pictures drawn so.

Shapes are convex polygons. Of each, OpenCV draws the edges, anti-aliased lines one pixel wide, and then the inside. Here
the pixels of all shapes are listed first, in arrays; those on the same place of the canvas are then mixed in the order
in which OpenCV draws them. Coordinates are whole pixels, at most 2^30 from the canvas.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .fixed_point import ONE, SHIFT, clip_lines, polygon_rows, quotient, ranges

OPAQUE = 256
STROKES = 16  # more than a polygon has edges

# Alpha in the pixel before an anti-aliased line, on it and behind it (3, 32), over the line's place in its pixel.
ACROSS = np.array([[-1], [0], [1]])
FALL_OFF = (255 * np.exp(-(((np.arange(32) - 15.5 - 32 * ACROSS) / 24) ** 2))).astype(np.int64)
# A slanted line is wider along an axis than across itself: by its slope in 32nds.
SLANT = np.minimum(256 * np.sqrt((1 + ((np.arange(64) + 0.5) / 32) ** 2) / 2), 256).astype(np.int64)
# Of 0 to 450 degrees, with OpenCV's seven digits.
SINES = np.sin(np.deg2rad(np.arange(451))).round(7).astype(np.float32).astype(float)


class Pixels(NamedTuple):
    """Arrays (N,): a number that grows in the order of drawing, where the pixel is, and its alpha from 0 to 256.

    Shape n has the orders from n * STROKES on.
    """

    order: np.ndarray
    row: np.ndarray
    column: np.ndarray
    alpha: np.ndarray


def line_pixels(lines: np.ndarray, shapes: np.ndarray, thickness: int, width: int, height: int) -> list[Pixels]:
    """Anti-aliased lines (N, 2, 2) with round ends, in pixels (an even thickness below 6).

    Args:
        shapes: (N,) the lines' numbers; each line is three shapes.
    """
    border = thickness  # as much as OpenCV leaves around the canvas when it clips
    lines, is_seen = clip_lines(lines + border, width + 2 * border, height + 2 * border)
    lines, shapes = lines[is_seen] - border, shapes[is_seen]
    starts, ends = lines[:, 0], lines[:, 1]
    lengths = np.sqrt(((starts - ends) ** 2).sum(axis=1))
    half = (thickness << SHIFT - 1) / np.where(lengths == 0, np.inf, lengths)
    across = np.rint((ends - starts)[:, ::-1] * (1, -1) * half[:, None]).astype(int)
    sides = ((starts, across), (starts, -across), (ends, -across), (ends, across))
    corners = np.stack([(point << SHIFT) + move for point, move in sides], axis=1)
    has_length = lengths > 0
    caps = disc_pixels(lines.reshape(-1, 2), (shapes[:, None] + (1, 2)).ravel(), thickness // 2, width, height)
    return [*_polygon_pixels(corners[has_length], shapes[has_length], width, height), *caps]


def disc_pixels(centres: np.ndarray, shapes: np.ndarray, radius: int, width: int, height: int) -> list[Pixels]:
    """Anti-aliased discs around (N, 2), in pixels (radius below 10); polygons of 4 or 12 corners."""
    reach = radius + 2
    is_near = ((centres >= -reach) & (centres < (width + reach, height + reach))).all(axis=1)
    angles = np.arange(0, 361, 30 if radius >= 3 else 90)
    offsets = np.rint(np.stack([SINES[angles + 90], SINES[angles]], axis=1) * (radius << SHIFT)).astype(int)
    corners = (centres[is_near, None] << SHIFT) + offsets
    return _polygon_pixels(corners, shapes[is_near], width, height)


def mixed(pixels: Sequence[Pixels], colours: np.ndarray, width: int, height: int) -> np.ndarray:
    """The shapes on black, RGB uint8 (height, width, 3).

    Args:
        colours: (shapes, 3) uint8.
    """
    order, row, column, alpha = (np.concatenate(arrays) for arrays in zip(*pixels, strict=True))
    by_order = np.argsort(order.astype(np.uint16), kind="stable")  # of 16 bits, since numpy sorts these by radix
    order, place, alpha = order[by_order], (row * width + column)[by_order], alpha[by_order]
    numbers = np.arange(len(order))

    # What lies below an opaque pixel is not seen. Of several values for one place, numpy keeps the last.
    is_opaque = alpha == OPAQUE
    opaque = np.zeros(width * height, np.int32)
    opaque[place[is_opaque]] = numbers[is_opaque]
    seen = np.flatnonzero((numbers >= opaque[place]) & (alpha > 0))
    order, place, alpha = order[seen], place[seen], alpha[seen]

    by_place = np.argsort(place, kind="stable")
    order, place, alpha = order[by_place], place[by_place], alpha[by_place, None]
    ink = colours[order // STROKES].astype(np.int32)
    first = np.flatnonzero(np.diff(place, prepend=-1))
    depth = np.diff(first, append=len(place))
    canvas, values = np.zeros((width * height, 3), np.uint8), np.zeros((len(first), 3), np.int32)
    for level in range(depth.max(initial=0)):
        which = np.flatnonzero(depth > level)
        pixel = first[which] + level
        value = values[which]
        for _ in range(2):  # as OpenCV does it
            value += ((ink[pixel] - value) * alpha[pixel] + 127) >> 8
        values[which] = value
    canvas[place[first]] = values
    return canvas.reshape(height, width, 3)


def _polygon_pixels(corners: np.ndarray, shapes: np.ndarray, width: int, height: int) -> list[Pixels]:
    """Convex polygons (N, corners, 2) in fixed point: the lines of their outlines, then what is inside."""
    edges = np.stack([np.roll(corners, 1, axis=1), corners], axis=2)
    strokes = shapes[:, None] * STROKES + np.arange(corners.shape[1])
    lines, is_seen = clip_lines(edges.reshape(-1, 2, 2), width << SHIFT, height << SHIFT)
    outline = _thin_lines(lines[is_seen], strokes.ravel()[is_seen], width, height)
    polygon, row, left, right = polygon_rows(corners, height)
    left, right = np.maximum((left + ONE - 1) >> SHIFT, 0), np.minimum(right >> SHIFT, width - 1)
    which, along = ranges(np.maximum(right - left + 1, 0))
    orders = shapes[polygon[which]] * STROKES + STROKES - 1
    return [outline, Pixels(orders, row[which], left[which] + along, np.full(len(which), OPAQUE))]


def _thin_lines(lines: np.ndarray, orders: np.ndarray, width: int, height: int) -> Pixels:
    """Anti-aliased lines (N, 2, 2) one pixel wide, in fixed point, within the canvas."""
    is_flat = np.greater(*np.abs(lines[:, 1] - lines[:, 0]).T)
    lines = np.where(is_flat[:, None, None], lines, lines[:, :, ::-1])
    lines = np.where((lines[:, 0, 0] > lines[:, 1, 0])[:, None, None], lines[:, ::-1], lines)
    (x, y), (x_end, y_end) = lines.transpose(1, 2, 0)
    step = quotient((y_end - y) << SHIFT, (x_end - x) | 1)
    x_end = x_end + ONE
    count = (x_end >> SHIFT) - (x >> SHIFT)
    y = y + ((step * -(x & ONE - 1)) >> SHIFT) + ONE // 2
    line, along = ranges(count + 1)
    weights = _weights_along(x, x_end, count) * SLANT[(step >> SHIFT - 5) & 0x3F ^ np.where(step < 0, 0x3F, 0)][line] >> 8

    ys = y[line] + step[line] * along
    alphas = weights * FALL_OFF[:, (ys >> SHIFT - 5) & 31] >> 8
    rows, columns = (ys >> SHIFT) + ACROSS, (along + (x >> SHIFT)[line])[None].repeat(3, axis=0)
    rows, columns = np.where(is_flat[line], (rows, columns), (columns, rows))
    seen = (columns < width) & (rows < height) & (columns >= 0) & (rows >= 0)
    return Pixels(np.broadcast_to(orders[line], seen.shape)[seen], rows[seen], columns[seen], alphas[seen])


def _weights_along(x: np.ndarray, x_end: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Of the pixels along each line, `count` + 1 of them: less at the ends, by the upper four bits of their fractions."""
    first, last = (x >> SHIFT - 7) & 0x78, (x_end >> SHIFT - 7) & 0x78
    ends = (count + 1).cumsum() - 1
    starts = ends - count
    weights = np.full(len(count) + count.sum(), 256)
    is_one, is_two, is_long = count == 1, count == 2, count > 2
    weights[starts], weights[ends] = 0x78 - first | 4, last | 4
    weights[starts[is_long] + 1] = ((0x78 - first | 4) + 0x80)[is_long]
    weights[ends[is_long] - 1] = ((last | 4) + 0x80)[is_long]
    weights[starts[is_two] + 1] = ((last - first + 0x80) | 4)[is_two]
    weights[starts[is_one]] = weights[ends[is_one]] = ((last - first) & 0x78 | 4)[is_one]
    return weights
