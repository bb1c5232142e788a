"""Lines and convex polygons in fixed point, many at once: what they cover of a canvas, however far they reach.

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


def polygon_rows(corners: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of the convex polygons (N, corners, 2), a row of the canvas that it covers, and where it begins and ends."""
    ends = np.roll(corners, 1, axis=1)
    x, levels = corners[..., 0], (corners[..., 1] + ONE // 2) >> SHIFT
    end_x, end_levels = ends[..., 0], (ends[..., 1] + ONE // 2) >> SHIFT
    is_down = levels < end_levels
    top, drop = np.minimum(levels, end_levels), np.abs(end_levels - levels)
    top_x, slide = np.where(is_down, x, end_x), np.where(is_down, end_x - x, x - end_x)
    step = quotient(2 * slide + drop, np.maximum(2 * drop, 1))

    first, bottom = levels.min(axis=1), np.minimum(levels.max(axis=1), height - 1)
    polygon, row = ranges(np.maximum(bottom - np.maximum(first, 0) + 1, 0))
    row += np.maximum(first, 0)[polygon]
    # The last row continues the edges of the one before it.
    of_edges = np.minimum(row, np.maximum(bottom - 1, first)[polygon])[:, None]
    is_crossed = (top[polygon] <= of_edges) & (of_edges < (top + drop)[polygon])
    places = top_x[polygon] + step[polygon] * (row[:, None] - top[polygon])
    left = np.where(is_crossed, places, _BEYOND).min(axis=1)
    return polygon, row, left, np.where(is_crossed, places, -_BEYOND).max(axis=1)
