"""Lines, discs and ellipses, bit for bit as OpenCV 5 (Apache-2.0) draws them: CFLD was trained on pictures drawn so.

Coordinates are whole pixels, at most 2^30 from the canvas.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from .fixed_point import ONE, SHIFT, Point, clip_line, pixels_of_rows, polygon_rows, quotient, ranges

# Rows, columns and alphas (0 to 256) of as many pixels, each of them once.
Stroke = tuple[np.ndarray, np.ndarray, np.ndarray]

# Alpha in the pixel before an anti-aliased line, on it and behind it (3, 32), over the line's place in its pixel.
ACROSS = np.array([[-1], [0], [1]])
FALL_OFF = (255 * np.exp(-(((np.arange(32) - 15.5 - 32 * ACROSS) / 24) ** 2))).astype(np.int32)
# Of 0 to 450 degrees, with OpenCV's seven digits.
SINES = np.sin(np.deg2rad(np.arange(451))).round(7).astype(np.float32).astype(float)


def draw_line(canvas: np.ndarray, start: Point, end: Point, colour: Sequence[int], thickness: int) -> None:
    """An anti-aliased line with round ends, in pixels (an even thickness below 6), on uint8 (height, width, 3)."""
    height, width = canvas.shape[:2]
    border = thickness  # as much as OpenCV leaves around the canvas when it clips
    start, end = ((x + border, y + border) for x, y in (start, end))
    clipped = clip_line(start, end, width + 2 * border, height + 2 * border)
    if clipped is None:
        return
    start, end = ((x - border, y - border) for x, y in clipped)
    (x0, y0), (x1, y1) = ((x << SHIFT, y << SHIFT) for x, y in (start, end))
    length = math.sqrt((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2)
    if length:
        half = (thickness << SHIFT - 1) / length
        dx, dy = round((end[1] - start[1]) * half), round((start[0] - end[0]) * half)
        corners = [(x0 + dx, y0 + dy), (x0 - dx, y0 - dy), (x1 - dx, y1 - dy), (x1 + dx, y1 + dy)]
        _draw_strokes(canvas, _polygon(corners, width, height), colour)
    for point in (start, end):
        draw_disc(canvas, point, thickness // 2, colour)


def draw_disc(canvas: np.ndarray, centre: Point, radius: int, colour: Sequence[int]) -> None:
    """An anti-aliased disc, in pixels (radius below 10), on uint8 (height, width, 3); a polygon of 4 or 12 corners."""
    height, width = canvas.shape[:2]
    (x, y), reach = centre, radius + 2
    if reach <= x < width - reach and reach <= y < height - reach:
        block = canvas[y - reach : y + reach + 1, x - reach : x + reach + 1]
        for alphas in _disc_stamp(radius):
            block[:] = _mix(block, colour, alphas)
    elif -reach <= x < width + reach and -reach <= y < height + reach:
        _draw_strokes(canvas, _polygon(_disc_corners(centre, radius), width, height), colour)


def draw_hard_disc(canvas: np.ndarray, centre: Point, radius: int, colour: Sequence[int]) -> None:
    """A disc without anti-aliasing, by the midpoint algorithm, in pixels, on uint8 (height, width, 3)."""
    halves: dict[int, int] = {}
    error, far, near = 0, radius, 0
    while far >= near:
        halves[near] = max(far, halves.get(near, 0))
        halves[far] = max(near, halves.get(far, 0))
        error += 2 * near + 1
        near += 1
        if error > 0:
            error -= 2 * far - 1
            far -= 1
    height, width = canvas.shape[:2]
    down, half = np.array([(sign * offset, half) for offset, half in halves.items() for sign in (-1, 1)]).T
    canvas[pixels_of_rows(centre[1] + down, centre[0] - half, centre[0] + half, width, height)] = colour


def draw_hard_ellipse(
    canvas: np.ndarray, centre: Point, axes: tuple[int, int], degrees: int, colour: Sequence[int]
) -> None:
    """A filled ellipse without anti-aliasing, its half axes in pixels, turned by -180 to 180 degrees."""
    height, width = canvas.shape[:2]
    cosine, sine = SINES[degrees % 360 + 90], SINES[degrees % 360]
    angles = np.arange(361)
    along, across = axes[0] * SINES[angles + 90], axes[1] * SINES[angles]
    outline = np.rint(
        np.stack([centre[0] + along * cosine - across * sine, centre[1] + along * sine + across * cosine], axis=1)
    ).astype(int)
    differs = (np.diff(outline, axis=0, prepend=outline[:1] - 1) != 0).any(axis=1)
    corners = [(x, y) for x, y in outline[differs].tolist()]
    lines = [
        line for start, end in zip([corners[-1], *corners], corners, strict=False)
        if (line := clip_line(start, end, width, height)) is not None
    ]  # fmt: skip
    canvas[_hard_lines(lines)] = colour
    rows, left, right = polygon_rows([(x << SHIFT, y << SHIFT) for x, y in corners], height, to_last=True)
    canvas[pixels_of_rows(rows, (left + ONE // 2) >> SHIFT, (right + ONE // 2) >> SHIFT, width, height)] = colour


@lru_cache
def _disc_stamp(radius: int) -> np.ndarray:
    """Alphas of a disc anywhere but at the border, mixed in one after the other: (n, size, size, 1)."""
    reach = radius + 2
    size = 2 * reach + 1
    *outline, inside = _polygon(_disc_corners((reach, reach), radius), size, size)
    stamp, count = np.zeros((len(outline), size, size, 1), np.int32), np.zeros((size, size), int)
    for rows, columns, alphas in outline:
        stamp[count[rows, columns], rows, columns, 0] = alphas
        count[rows, columns] += 1
    rows, columns, alphas = inside
    stamp[:, rows, columns, 0], count[rows, columns] = alphas, 1  # what is below is not seen
    return stamp[: count.max()]


def _disc_corners(centre: Point, radius: int) -> list[Point]:
    angles = np.arange(0, 361, 30 if radius >= 3 else 90)
    offsets = np.rint(np.stack([SINES[angles + 90], SINES[angles]], axis=1) * (radius << SHIFT)).astype(int)
    return [((centre[0] << SHIFT) + dx, (centre[1] << SHIFT) + dy) for dx, dy in offsets.tolist()]


def _draw_strokes(canvas: np.ndarray, strokes: Iterable[Stroke], colour: Sequence[int]) -> None:
    for rows, columns, alphas in strokes:
        canvas[rows, columns] = _mix(canvas[rows, columns], colour, alphas[:, None])


def _mix(pixels: np.ndarray, colour: Sequence[int], alphas: np.ndarray) -> np.ndarray:
    """Twice, as OpenCV does it."""
    mixed, ink = pixels.astype(np.int32), np.array(colour, np.int32)
    for _ in range(2):
        mixed += ((ink - mixed) * alphas + 127) >> 8
    return mixed


def _polygon(corners: list[Point], width: int, height: int) -> Iterator[Stroke]:
    """A convex polygon in fixed point: the lines of its outline, then what is inside."""
    for start, end in zip([corners[-1], *corners], corners, strict=False):
        clipped = clip_line(start, end, width << SHIFT, height << SHIFT)
        if clipped is not None:
            yield _thin_line(*clipped, width, height)
    rows, left, right = polygon_rows(corners, height, to_last=False)
    rows, columns = pixels_of_rows(rows, (left + ONE - 1) >> SHIFT, right >> SHIFT, width, height)
    yield rows, columns, np.full(len(rows), 256, np.int32)


def _thin_line(start: Point, end: Point, width: int, height: int) -> Stroke:
    """An anti-aliased line one pixel wide, in fixed point, within the canvas."""
    if abs(end[0] - start[0]) > abs(end[1] - start[1]):
        return _line_along_x(start, end, width, height)
    columns, rows, alphas = _line_along_x(start[::-1], end[::-1], height, width)
    return rows, columns, alphas


def _line_along_x(start: Point, end: Point, width: int, height: int) -> Stroke:
    (x, y), (x_end, y_end) = sorted((start, end), key=lambda point: point[0])
    step = quotient((y_end - y) << SHIFT, (x_end - x) | 1)
    x_end += ONE
    count = (x_end >> SHIFT) - (x >> SHIFT)
    y += ((step * -(x & ONE - 1)) >> SHIFT) + ONE // 2
    # Less at the ends, by the four upper bits of their fractions of a pixel.
    first, last = (x >> SHIFT - 7) & 0x78, (x_end >> SHIFT - 7) & 0x78
    weights = np.full(count + 1, 256, np.int32)
    if count == 1:
        weights[:] = (last - first) & 0x78 | 4
    elif count == 2:
        weights[:] = 0x78 - first | 4, (last - first + 0x80) | 4, last | 4
    else:
        weights[:2] = 0x78 - first | 4, (0x78 - first | 4) + 0x80
        weights[-2:] = (last | 4) + 0x80, last | 4
    # A slanted line is wider along an axis than across itself; its slope in 32nds.
    slope = (step >> SHIFT - 5) & 0x3F ^ (0x3F if step < 0 else 0)
    weights = weights * min(256, int(256 * math.sqrt((1 + ((slope + 0.5) / 32) ** 2) / 2))) >> 8

    columns = np.arange(count + 1)
    ys = y + step * columns
    alphas = weights * FALL_OFF[:, (ys >> SHIFT - 5) & 31] >> 8
    rows, columns = (ys >> SHIFT) + ACROSS, columns + (x >> SHIFT)
    seen = (columns < width) & (rows >= 0) & (rows < height)
    return rows[seen], columns[np.nonzero(seen)[1]], alphas[seen]


def _hard_lines(lines: list[tuple[Point, Point]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of lines one pixel wide within the canvas, by Bresenham from left to right."""
    ends = np.array(lines, int).reshape(-1, 2, 2)
    leftwards = ends[:, 0, 0] > ends[:, 1, 0]
    ends[leftwards] = ends[leftwards, ::-1]
    (x0, y0), (x1, y1) = ends.transpose(1, 2, 0)
    dx, dy = x1 - x0, abs(y1 - y0)
    line, along = ranges(np.maximum(dx, dy) + 1)
    double, rise = np.maximum(2 * np.maximum(dx, dy), 2)[line], 2 * np.minimum(dx, dy)[line]
    across = (rise * along + double // 2 - 1) // double
    columns, rows = np.where((dx >= dy)[line], (along, across), (across, along))
    return y0[line] + np.where(y1 >= y0, 1, -1)[line] * rows, x0[line] + columns
