"""Lines and discs, bit for bit as OpenCV 5 (Apache-2.0) draws them: CFLD was trained on pictures drawn so.

Shapes are convex polygons. Of each, OpenCV draws the edges, anti-aliased lines one pixel wide, and then the inside.
Here the pixels of all shapes are listed first; those on the same place of the canvas are then mixed in the order in
which OpenCV draws them. Coordinates are whole pixels, at most 2^30 from the canvas.

A listed pixel is one number, so that sorting brings it to its turn: its place on the canvas, row by row, then the
shape's number (7 bits), the stroke's in the shape (4 bits) and its alpha, 0 to 256 (9 bits).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .fixed_point import ONE, SHIFT, clip_lines, polygon_rows, quotient, ranges

PLACE, SHAPE, STROKE = 20, 13, 9  # the first bits
INSIDE = 15  # the number of the last stroke; the edges come before it
OPAQUE = 256

# Alpha in the pixel before an anti-aliased line, on it and behind it (3, 32), over the line's place in its pixel.
ACROSS = np.array([[-1], [0], [1]])
FALL_OFF = (255 * np.exp(-(((np.arange(32) - 15.5 - 32 * ACROSS) / 24) ** 2))).astype(int)
# A slanted line is wider along an axis than across itself: by its slope in 32nds.
SLANT = np.minimum(256 * np.sqrt((1 + ((np.arange(64) + 0.5) / 32) ** 2) / 2), 256).astype(int)
# Of 0 to 450 degrees, with OpenCV's seven digits.
SINES = np.sin(np.deg2rad(np.arange(451))).round(7).astype(np.float32).astype(float)


def line_pixels(lines: np.ndarray, shapes: np.ndarray, thickness: int, width: int, height: int) -> list[np.ndarray]:
    """Anti-aliased lines (N, 2, 2) with round ends, in pixels (an even thickness below 6), each three shapes."""
    border = thickness  # as much as OpenCV leaves around the canvas when it clips
    lines, is_seen = clip_lines(lines + border, width + 2 * border, height + 2 * border)
    lines, shapes = lines[is_seen] - border, shapes[is_seen]
    along = lines[:, 1] - lines[:, 0]
    lengths = np.sqrt((along**2).sum(axis=1))
    half = thickness * ONE / 2 / np.where(lengths == 0, np.inf, lengths)
    across = np.rint(along[:, ::-1] * (1, -1) * half[:, None]).astype(int)
    corners = lines[:, [0, 0, 1, 1]] * ONE + np.stack([across, -across, -across, across], axis=1)
    is_long = lengths > 0
    cap_pixels = disc_pixels(lines.reshape(-1, 2), (shapes[:, None] + (1, 2)).ravel(), thickness // 2, width, height)
    return [*_polygon_pixels(corners[is_long], shapes[is_long], width, height), *cap_pixels]


def disc_pixels(centres: np.ndarray, shapes: np.ndarray, radius: int, width: int, height: int) -> list[np.ndarray]:
    """Anti-aliased discs around (N, 2), in pixels (radius below 10); polygons of 4 or 12 corners."""
    reach, size = radius + 2, np.array([width, height])
    is_near = ((centres >= -reach) & (centres < size + reach)).all(axis=1)
    is_whole = ((centres >= reach) & (centres < size - reach)).all(axis=1)
    columns, rows = (centres[is_whole] - reach).T
    firsts = (rows * width + columns << PLACE) + (shapes[is_whole] << SHAPE)
    pixels = [(firsts[:, None] + _disc_stamp(radius, width)).ravel()]
    if (is_near & ~is_whole).any():
        cut = is_near & ~is_whole
        pixels += _polygon_pixels(_disc_corners(centres[cut], radius), shapes[cut], width, height)
    return pixels


def mixed(pixels: Sequence[np.ndarray], colours: np.ndarray, width: int, height: int) -> np.ndarray:
    """The shapes, in their colours (shapes, 3) from 0 to 255, on black: RGB uint8 (height, width, 3)."""
    packed, first, ends = _visible(np.concatenate(pixels))
    channels = np.ascontiguousarray(colours.T, np.int32)
    # Places with most pixels first, so that each level of them is one slice.
    depths = ends - first
    first = first[np.argsort(-depths)]
    values = np.zeros((3, len(first)), np.int32)
    for level, count in enumerate(len(first) - np.bincount(depths).cumsum()[:-1]):
        pixels_of_level, value = packed[first[:count] + level], values[:, :count]
        ink, alpha = channels[:, pixels_of_level >> SHAPE & 0x7F], (pixels_of_level & 0x1FF).astype(np.int32)
        for _ in range(2):  # as OpenCV does it
            value += ((ink - value) * alpha + 127) >> 8
    canvas = np.zeros((width * height, 3), np.uint8)
    canvas[packed[first] >> PLACE] = values.T
    return canvas.reshape(height, width, 3)


def _visible(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels in order, and where those of each place begin and end. What lies below an opaque one is left out."""
    packed = np.sort(packed, kind="stable")  # of the kinds the one that makes use of runs that are in order
    first = np.flatnonzero(np.diff(packed >> PLACE, prepend=-1))
    if not len(first):
        return packed, first, first
    opaque = np.where(packed & 0x1FF == OPAQUE, np.arange(len(packed)), 0)
    return packed, np.maximum(first, np.maximum.reduceat(opaque, first)), np.append(first[1:], len(packed))


@lru_cache
def _disc_stamp(radius: int, width: int) -> np.ndarray:
    """The visible pixels of a disc in the upper left corner of the canvas, but not at its border."""
    reach = radius + 2
    centre, shape = np.array([[reach, reach]]), np.array([0])
    pixels = _polygon_pixels(_disc_corners(centre, radius), shape, width, 2 * reach + 1)
    packed, first, ends = _visible(np.concatenate(pixels))
    which, along = ranges(ends - first)
    return packed[first[which] + along]


def _disc_corners(centres: np.ndarray, radius: int) -> np.ndarray:
    angles = np.arange(0, 361, 30 if radius >= 3 else 90)
    offsets = np.rint(np.stack([SINES[angles + 90], SINES[angles]], axis=1) * (radius << SHIFT)).astype(int)
    return (centres[:, None] << SHIFT) + offsets


def _polygon_pixels(corners: np.ndarray, shapes: np.ndarray, width: int, height: int) -> list[np.ndarray]:
    """Convex polygons (N, corners, 2) in fixed point: the lines of their outlines, and what is inside."""
    edges = np.stack([corners[:, np.arange(-1, corners.shape[1] - 1)], corners], axis=2)
    orders = (shapes[:, None] << SHAPE) + (np.arange(corners.shape[1]) << STROKE)
    lines, is_seen = clip_lines(edges.reshape(-1, 2, 2), width << SHIFT, height << SHIFT)
    outline = _thin_lines(lines[is_seen], orders.ravel()[is_seen], width, height)
    polygon, row, left, right = polygon_rows(edges, height)
    left, right = np.maximum((left + ONE - 1) >> SHIFT, 0), np.minimum(right >> SHIFT, width - 1)
    firsts = (row * width + left << PLACE) + (shapes[polygon] << SHAPE) + (INSIDE << STROKE) + OPAQUE
    which, along = ranges(np.maximum(right - left + 1, 0))
    return [outline, firsts[which] + (along << PLACE)]


def _thin_lines(lines: np.ndarray, orders: np.ndarray, width: int, height: int) -> np.ndarray:
    """Anti-aliased lines (N, 2, 2) one pixel wide, in fixed point, within the canvas."""
    is_flat = np.greater(*np.abs(lines[:, 1] - lines[:, 0]).T)
    lines = np.where(is_flat[:, None, None], lines, lines[:, :, ::-1])
    lines = np.where((lines[:, 0, 0] > lines[:, 1, 0])[:, None, None], lines[:, ::-1], lines)
    (x, y), (x_end, y_end) = lines.transpose(1, 2, 0)
    step = quotient((y_end - y) << SHIFT, (x_end - x) | 1)
    x_end = x_end + ONE
    count = (x_end >> SHIFT) - (x >> SHIFT)
    y = y + ((step * -(x & ONE - 1)) >> SHIFT) + ONE // 2
    slant = SLANT[(step >> SHIFT - 5) & 0x3F ^ np.where(step < 0, 0x3F, 0)]

    # Each line is flat in the canvas or in the canvas turned: the size of that, and how far apart its rows and columns.
    columns, rows = np.where(is_flat, [[width], [height]], [[height], [width]])
    next_column, next_row = np.where(is_flat, [[1], [width]], [[width], [1]]) << PLACE

    line, along = ranges(count + 1)
    ys, column = y[line] + step[line] * along, along + (x >> SHIFT)[line]
    row, weights = ys >> SHIFT, _weights_along(x, x_end, count) * slant[line] >> 8
    alphas = weights * FALL_OFF[:, (ys >> SHIFT - 5) & 31] >> 8
    middle = row * next_row[line] + column * next_column[line] + orders[line]
    is_seen = (column < columns[line]) & (row >= -ACROSS) & (row < rows[line] - ACROSS)
    return (alphas + (middle + ACROSS * next_row[line]))[is_seen]


def _weights_along(x: np.ndarray, x_end: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Of the pixels along each line, `count` + 1 of them: less at the ends, by four bits of their fractions."""
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
