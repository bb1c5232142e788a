"""Lines and polygons on a canvas, in Python's integers: what they cover of it, however far they reach.

Nothing is allocated or repeated in proportion to coordinates, only to the canvas. Fixed-point numbers have 16 binary
places; rounding is OpenCV 5's.
"""

from collections.abc import Iterator

import numpy as np

SHIFT = 16
ONE = 1 << SHIFT

Point = tuple[int, int]


def clip_line(start: Point, end: Point, width: int, height: int) -> tuple[Point, Point] | None:
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
                point[other] += quotient((border - point[axis]) * (y1 - y0), x1 - x0)
                point[axis] = border
    return (points[0][0], points[0][1]), (points[1][0], points[1][1])


def quotient(dividend: int, divisor: int) -> int:
    """Rounded towards zero, as C divides."""
    size = abs(dividend) // abs(divisor)
    return size if (dividend < 0) == (divisor < 0) else -size


def pixels_of_rows(
    rows: np.ndarray, first: np.ndarray, last: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pixels in the canvas from the first to the last column of each row."""
    first, last = np.maximum(first, 0), np.minimum(last, width - 1)
    seen = (rows >= 0) & (rows < height) & (first <= last)
    row, along = ranges(np.where(seen, last - first + 1, 0))
    return rows[row], first[row] + along


def ranges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ranges(count) one after the other: which it is, and the number in it."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - (counts.cumsum() - counts)[which]


def polygon_rows(corners: list[Point], height: int, to_last: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the canvas that a convex polygon in fixed point covers, and where they begin and end.

    Args:
        to_last: whether an edge may begin in the last row; else the one before it is continued.
    """
    pieces = np.array(list(_trapezoids(corners, height, to_last)), int).reshape(-1, 6).T
    piece, down = ranges(pieces[1] - pieces[0])
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
                        step = quotient((corners[following][0] - x) * 2 + drop, 2 * drop)
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
