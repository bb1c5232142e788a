"""Fills lines and convex polygons in fixed point, many at once, for `rasterization`.

Nothing is allocated or repeated in proportion to coordinates, only to the canvas. Fixed-point numbers have 16 binary
places, in int64; points are (x, y). Rounding is OpenCV 5's.
"""

import numpy as np

SHIFT = 16
ONE = 1 << SHIFT
_BEYOND = 1 << 62


def clip_lines(lines: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines (N, 2, 2) -> the parts within 0 .. width - 1, 0 .. height - 1, and (N,) bool, whether there is one.

    Coordinates are at most 2^30, or in fixed point within some 2^15 pixels, or their products exceed 64 bits.
    """
    lines, last = lines.copy(), np.array([width - 1, height - 1])
    if ((lines >= 0) & (lines <= last)).all():
        return lines, np.ones(len(lines), bool)
    is_seen = np.ones(len(lines), bool)
    for axis, other in ((1, 0), (0, 1)):
        is_seen &= (lines[..., axis].max(axis=1) >= 0) & (lines[..., axis].min(axis=1) <= last[axis])
        for end in (0, 1):
            along, across = (lines[:, 1] - lines[:, 0]).T[[axis, other]]
            bounded = lines[:, end, axis].clip(0, last[axis])
            move = np.where(is_seen, bounded - lines[:, end, axis], 0)
            lines[:, end, other] += quotient(move * across, np.where(move == 0, 1, along))
            lines[:, end, axis] = bounded
    return lines, is_seen


def quotient(dividend: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """Rounded towards zero, as C divides."""
    return np.abs(dividend) // np.abs(divisor) * np.sign(dividend) * np.sign(divisor)


def ranges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ranges(count) one after the other: which it is, and the number in it."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - (counts.cumsum() - counts)[which]


def polygon_rows(edges: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of convex polygons, by their edges (N, edges, 2, 2): which one, a row it covers, the first and last x there."""
    levels = (edges[..., 1] + ONE // 2) >> SHIFT
    top, under = levels.min(axis=2), levels.max(axis=2)
    is_down = levels[..., 0] < levels[..., 1]
    top_x, under_x = np.where(is_down, edges[..., 0].transpose(2, 0, 1), edges[..., ::-1, 0].transpose(2, 0, 1))
    drop = under - top
    step = quotient(2 * (under_x - top_x) + drop, np.maximum(2 * drop, 1))

    first, last = top.min(axis=1), np.minimum(under.max(axis=1), height - 1)
    begin = np.maximum(first, 0)
    polygon, down = ranges(np.maximum(last - begin + 1, 0))
    row = begin[polygon] + down
    # The last row continues the edges of the one before it.
    of_edges = np.minimum(row, np.maximum(last - 1, first)[polygon])[:, None]
    is_crossed = (top[polygon] <= of_edges) & (of_edges < under[polygon])
    x = top_x[polygon] + step[polygon] * (row[:, None] - top[polygon])
    return polygon, row, np.where(is_crossed, x, _BEYOND).min(axis=1), np.where(is_crossed, x, -_BEYOND).max(axis=1)
