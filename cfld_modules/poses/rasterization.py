"""Lines, discs and ellipses, bit for bit as OpenCV 5 draws them: CFLD was trained on pictures drawn so.

Where a shape lies is worked out first, in Python's integers, and every line is clipped before anything is allocated:
the cost depends on the canvas, not on the coordinates (within 2^30 pixels). Fixed-point numbers have 16 binary places.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

SHIFT = 16
ONE = 1 << SHIFT

Point = tuple[int, int]
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
    moved = ((x + border, y + border) for x, y in (start, end))
    clipped = _clip(*moved, width + 2 * border, height + 2 * border)
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
    offsets = np.array([(sign * offset, half) for offset, half in halves.items() for sign in (-1, 1)])
    canvas[_pixels(centre[1] + offsets[:, 0], centre[0] - offsets[:, 1], centre[0] + offsets[:, 1], width, height)] = colour


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
        if (line := _clip(start, end, width, height)) is not None
    ]  # fmt: skip
    canvas[_hard_lines(lines)] = colour
    rows, left, right = _rows([(x << SHIFT, y << SHIFT) for x, y in corners], height, to_last=True)
    canvas[_pixels(rows, (left + ONE // 2) >> SHIFT, (right + ONE // 2) >> SHIFT, width, height)] = colour


@lru_cache
def _disc_stamp(radius: int) -> np.ndarray:
    """Alphas of a disc anywhere but at the border, mixed in one after the other: (n, size, size, 1)."""
    reach = radius + 2
    size = 2 * reach + 1
    *outline, (*inside, solid) = _polygon(_disc_corners((reach, reach), radius), size, size)
    stamp, count = np.zeros((len(outline), size, size, 1), np.int32), np.zeros((size, size), int)
    for rows, columns, alphas in outline:
        stamp[count[rows, columns], rows, columns, 0] = alphas
        count[rows, columns] += 1
    # Whatever was mixed in below the inside is not seen.
    stamp[:, *inside, 0], count[*inside] = solid, 1
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
        clipped = _clip(start, end, width << SHIFT, height << SHIFT)
        if clipped is not None:
            yield _thin_line(*clipped, width, height)
    rows, left, right = _rows(corners, height, to_last=False)
    rows, columns = _pixels(rows, (left + ONE - 1) >> SHIFT, right >> SHIFT, width, height)
    yield rows, columns, np.full(len(rows), 256, np.int32)


def _thin_line(start: Point, end: Point, width: int, height: int) -> Stroke:
    """An anti-aliased line one pixel wide, in fixed point, within the canvas."""
    if abs(end[0] - start[0]) > abs(end[1] - start[1]):
        return _line_along_x(start, end, width, height)
    columns, rows, alphas = _line_along_x(start[::-1], end[::-1], height, width)
    return rows, columns, alphas


def _line_along_x(start: Point, end: Point, width: int, height: int) -> Stroke:
    (x, y), (x_end, y_end) = sorted((start, end), key=lambda point: point[0])
    step = _quotient((y_end - y) << SHIFT, (x_end - x) | 1)
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
    line, along = _ranges(np.maximum(dx, dy) + 1)
    double, rise = np.maximum(2 * np.maximum(dx, dy), 2)[line], 2 * np.minimum(dx, dy)[line]
    across = (rise * along + double // 2 - 1) // double
    columns, rows = np.where((dx >= dy)[line], (along, across), (across, along))
    return y0[line] + np.where(y1 >= y0, 1, -1)[line] * rows, x0[line] + columns


def _pixels(
    rows: np.ndarray, first: np.ndarray, last: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pixels in the canvas from the first to the last column of each row."""
    first, last = np.maximum(first, 0), np.minimum(last, width - 1)
    seen = (rows >= 0) & (rows < height) & (first <= last)
    row, along = _ranges(np.where(seen, last - first + 1, 0))
    return rows[row], first[row] + along


def _ranges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ranges(count) one after the other: which it is, and the number in it."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - (counts.cumsum() - counts)[which]


def _rows(corners: list[Point], height: int, to_last: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the canvas that a convex polygon covers, and where they begin and end in fixed point.

    Args:
        to_last: whether an edge may begin in the last row; else the one before it is continued.
    """
    pieces = np.array(list(_trapezoids(corners, height, to_last)), int).reshape(-1, 6).T
    piece, down = _ranges(pieces[1] - pieces[0])
    top, _, x0, step0, x1, step1 = pieces[:, piece]
    sides = x0 + step0 * down, x1 + step1 * down
    return top + down, np.minimum(*sides), np.maximum(*sides)


def _trapezoids(corners: list[Point], height: int, to_last: bool) -> Iterator[tuple[int, ...]]:
    """First row, the row after the last, and x and its step a row of both sides."""
    count = len(corners)
    levels = [(y + ONE // 2) >> SHIFT for _, y in corners]
    top = min(range(count), key=lambda index: corners[index][1])
    y = first_row = levels[top]
    bottom = min(max(levels), height - 1)
    # One walk down each side: the corner reached, where it ends, x and its step a row.
    walks = [[top, y, 0, 0], [top, y, 0, 0]]
    unseen = count
    while y <= bottom:
        if to_last or y < bottom or y == first_row:
            for walk, direction in zip(walks, (1, -1), strict=True):
                if y < walk[1]:
                    continue
                corner = walk[0]
                while unseen > 0:
                    unseen -= 1
                    following = (corner + direction) % count
                    if levels[following] > y:
                        drop, x = levels[following] - y, corners[corner][0]
                        step = _quotient((corners[following][0] - x) * 2 + drop, 2 * drop)
                        walk[:] = following, levels[following], x, step
                        break
                    corner = following
                else:
                    return
        until = min([bottom + (y == bottom), *(walk[1] for walk in walks if walk[1] > y)])
        if until > 0:
            seen = max(y, 0)
            yield seen, until, *(value for _, _, x, step in walks for value in (x + step * (seen - y), step))
        for walk in walks:
            walk[2] += walk[3] * (until - y)
        y = until


def _clip(start: Point, end: Point, width: int, height: int) -> tuple[Point, Point] | None:
    """The part of a line within 0 .. width - 1, 0 .. height - 1."""
    if all(0 <= x < width and 0 <= y < height for x, y in (start, end)):
        return start, end
    points = [list(start), list(end)]
    for axis, last in ((1, height - 1), (0, width - 1)):
        other = 1 - axis
        if max(point[axis] for point in points) < 0 or min(point[axis] for point in points) > last:
            return None
        for point in points:
            border = min(max(point[axis], 0), last)
            if border != point[axis]:
                (x0, x1), (y0, y1) = ((points[0][a], points[1][a]) for a in (axis, other))
                point[other] += _quotient((border - point[axis]) * (y1 - y0), x1 - x0)
                point[axis] = border
    return (points[0][0], points[0][1]), (points[1][0], points[1][1])


def _quotient(dividend: int, divisor: int) -> int:
    """Rounded towards zero, as C divides."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient
