"""Lines, discs and ellipses, bit for bit as OpenCV 5 draws them: CFLD was trained on pictures drawn so.

Positions are fixed-point numbers with 16 binary places, Python's integers, so that no coordinate is too large; every
line is clipped before it is drawn. A colour is mixed in by (colour - pixel) * alpha / 256, rounded, alpha 0 to 256.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

SHIFT = 16
ONE = 1 << SHIFT

Point = tuple[int, int]

# Alpha over the distance from the line, in 32nds of a pixel.
FALL_OFF = np.array([
    168, 177, 185, 194, 202, 210, 218, 224, 231, 236, 241, 246, 249, 252, 254, 254, 254, 254, 252, 249, 246, 241,
    236, 231, 224, 218, 210, 202, 194, 185, 177, 168, 158, 149, 140, 131, 122, 114, 105, 97, 89, 82, 75, 68, 62, 56,
    50, 45, 40, 36, 32, 28, 25, 22, 19, 16, 14, 12, 11, 9, 8, 7, 5, 5,
])  # fmt: skip
# A slanted line is wider along an axis than across itself; over the slope, in 32nds.
SLOPE_ALPHA = (
    181, 181, 181, 182, 182, 183, 184, 185, 187, 188, 190, 192, 194, 196, 198, 201, 203, 206, 209, 211, 214, 218,
    221, 224, 227, 231, 235, 238, 242, 246, 250, 254,
)  # fmt: skip
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
        _fill_antialiased(canvas, corners, colour)
    for point in (start, end):
        draw_disc(canvas, point, thickness // 2, colour)


def draw_disc(canvas: np.ndarray, centre: Point, radius: int, colour: Sequence[int]) -> None:
    """An anti-aliased disc, in pixels (radius below 10), on uint8 (height, width, 3); a polygon of 4 or 12 corners."""
    height, width = canvas.shape[:2]
    reach = radius + 2
    if -reach <= centre[0] < width + reach and -reach <= centre[1] < height + reach:
        angles = np.arange(0, 361, 30 if radius >= 3 else 90)
        offsets = np.rint(np.stack([SINES[angles + 90], SINES[angles]], axis=1) * (radius << SHIFT))
        corners = [((centre[0] << SHIFT) + int(dx), (centre[1] << SHIFT) + int(dy)) for dx, dy in offsets]
        _fill_antialiased(canvas, corners, colour)


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
    for offset, half in halves.items():
        for y in {centre[1] - offset, centre[1] + offset}:
            _fill_row(canvas, y, centre[0] - half, centre[0] + half, colour)


def draw_hard_ellipse(
    canvas: np.ndarray, centre: Point, axes: tuple[int, int], degrees: int, colour: Sequence[int]
) -> None:
    """A filled ellipse without anti-aliasing, its half axes in pixels, turned by -180 to 180 degrees."""
    cosine, sine = SINES[degrees % 360 + 90], SINES[degrees % 360]
    angles = np.arange(361)
    along, across = axes[0] * SINES[angles + 90], axes[1] * SINES[angles]
    outline = np.rint(
        np.stack([centre[0] + along * cosine - across * sine, centre[1] + along * sine + across * cosine], axis=1)
    )
    corners = [(int(x), int(y)) for x, y in outline]
    corners = [corner for corner, previous in zip(corners, [None, *corners], strict=False) if corner != previous]
    for start, end in zip([corners[-1], *corners], corners, strict=False):
        _draw_hard_line(canvas, start, end, colour)
    fixed = [(x << SHIFT, y << SHIFT) for x, y in corners]
    for y, left, right in _rows(fixed, canvas.shape[0], to_last=True):
        _fill_row(canvas, y, (left + ONE // 2) >> SHIFT, (right + ONE // 2) >> SHIFT, colour)


def _fill_antialiased(canvas: np.ndarray, corners: list[Point], colour: Sequence[int]) -> None:
    """A convex polygon: its outline as lines, then its rows."""
    for start, end in zip([corners[-1], *corners], corners, strict=False):
        _draw_thin_line(canvas, start, end, colour)
    for y, left, right in _rows(corners, canvas.shape[0], to_last=False):
        _fill_row(canvas, y, (left + ONE - 1) >> SHIFT, right >> SHIFT, colour)


def _fill_row(canvas: np.ndarray, y: int, first: int, last: int, colour: Sequence[int]) -> None:
    if 0 <= y < canvas.shape[0] and last >= 0:
        canvas[y, max(first, 0) : last + 1] = colour


def _rows(corners: list[Point], height: int, to_last: bool) -> Iterator[tuple[int, int, int]]:
    """Rows of the canvas that a convex polygon covers: y, left and right in fixed point.

    Args:
        to_last: whether an edge may begin in the last row; else the one before it is continued.
    """
    count = len(corners)
    levels = [(y + ONE // 2) >> SHIFT for _, y in corners]
    top = min(range(count), key=lambda index: corners[index][1])
    y, bottom = levels[top], min(max(levels), height - 1)
    first_row = y
    # One walk down each side: the corner reached, where it ends, x and its step a row.
    walks = [[top, y, -ONE, 0], [top, y, -ONE, 0]]
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
        until = min(bottom + 1, *(walk[1] for walk in walks if walk[1] > y), bottom if y < bottom else bottom + 1)
        for row in range(max(y, 0), until):
            left, right = sorted(x + step * (row - y) for _, _, x, step in walks)
            yield row, left, right
        for walk in walks:
            walk[2] += walk[3] * (until - y)
        y = until


def _draw_thin_line(canvas: np.ndarray, start: Point, end: Point, colour: Sequence[int]) -> None:
    clipped = _clip(start, end, canvas.shape[1] << SHIFT, canvas.shape[0] << SHIFT)
    if clipped is None:
        return
    start, end = clipped
    wide = abs(end[0] - start[0]) > abs(end[1] - start[1])
    if not wide:  # drawn along y: exchange the axes
        canvas, start, end = canvas.swapaxes(0, 1), start[::-1], end[::-1]
    if end[0] < start[0]:
        start, end = end, start
    (x, y), (x_end, y_end) = start, end
    step = _quotient((y_end - y) << SHIFT, (x_end - x) | 1)
    x_end += ONE
    count = (x_end >> SHIFT) - (x >> SHIFT)
    y += ((step * -(x & ONE - 1)) >> SHIFT) + ONE // 2
    slope = (step >> SHIFT - 5) & 0x3F ^ (0x3F if step < 0 else 0)
    alpha = 0x100 if slope & 0x20 else SLOPE_ALPHA[slope]
    weights = _weights(count, alpha, (x >> SHIFT - 7) & 0x78, (x_end >> SHIFT - 7) & 0x78)

    columns = np.arange(count + 1)
    ys = y + step * columns
    columns += x >> SHIFT
    distance = (ys >> SHIFT - 5) & 31
    alphas = (weights * FALL_OFF[np.stack([distance + 32, distance, 63 - distance])] >> 8) & 0xFF
    rows = (ys >> SHIFT) + np.array([[-1], [0], [1]])
    inside = (columns < canvas.shape[1]) & (rows >= 0) & (rows < canvas.shape[0])
    places = rows[inside], np.broadcast_to(columns, rows.shape)[inside]
    alphas = alphas[inside][:, None]
    pixels = canvas[places].astype(np.int64)
    for _ in range(2):
        pixels += ((colour - pixels) * alphas + 127) >> 8
    canvas[places] = pixels


def _draw_hard_line(canvas: np.ndarray, start: Point, end: Point, colour: Sequence[int]) -> None:
    """Bresenham's, one pixel wide, from left to right."""
    clipped = _clip(start, end, canvas.shape[1], canvas.shape[0])
    if clipped is None:
        return
    (x0, y0), (x1, y1) = sorted(clipped, key=lambda point: point[0])
    dx, dy = x1 - x0, abs(y1 - y0)
    long, short = max(dx, dy), min(dx, dy)
    along = np.arange(long + 1)
    across = (2 * short * along + long - 1) // (2 * long) if long else along
    columns, rows = (along, across) if dx >= dy else (across, along)
    canvas[y0 + (rows if y1 >= y0 else -rows), x0 + columns] = colour


def _weights(count: int, alpha: int, start: int, end: int) -> np.ndarray:
    """(count + 1,): less at the ends, whose fractions of a pixel are `start` and `end`, in 128ths."""
    from_start, to_end = ((0x78 - start) | 4) * alpha, (end | 4) * alpha
    both = ((end - start) & 0x78 | 4) * alpha
    table = [
        0, both >> 8, from_start >> 8, both >> 8, ((end - start + 0x80) | 4) * alpha >> 8,
        (from_start + (alpha << 7)) >> 8, to_end >> 8, (to_end + (alpha << 7)) >> 8, alpha,
    ]  # fmt: skip
    table = [weight & 0x1FF for weight in table]
    places = np.arange(count + 1)
    return np.array(table)[np.minimum(places, 2) * 3 + np.minimum(places[::-1], 2)]


def _clip(start: Point, end: Point, width: int, height: int) -> tuple[Point, Point] | None:
    """The part of a line within 0 .. width - 1, 0 .. height - 1."""
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
