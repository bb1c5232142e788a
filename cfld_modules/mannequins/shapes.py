"""Solid shapes seen by an orthographic camera: where a line of sight meets them, and the coordinates of that spot.

Everything a mannequin is made of is a tapered capsule, an ellipsoid or a tapered elliptical tube, because a line of
sight meets these in closed form: occlusion comes from comparing depths, and textures are painted in the shape's own
coordinates.

Camera coordinates, in units of a grown person's height: x to the right, y down, z away from the viewer. A shape's frame
is a (3, 3) rotation whose columns are the shape's left, down and back. Arrays over pixels or spots are float32, the few
numbers of a shape float64.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Bounds = tuple[float, float, float, float]
Keep = Callable[[Array, Array, Array], Array]
"""Coordinates left, down, back -> bool: whether the shape is there at these spots."""

# Keeps arithmetic defined for an axis that points straight at the viewer.
TINY = 1e-6
STEEPEST_TAPER = 0.9


@dataclass(frozen=True)
class Surface:
    """Spots on a shape, n of them.

    lit: (n,) cosine of the angle between the outward normal and the direction to the light. left, down, back: (n,)
    coordinates in the shape's frame, in units of height for capsules and tubes (down is measured along the axis), in
    fractions of the radii for ellipsoids. girth: nominal radius.
    """

    lit: Array
    left: Array
    down: Array
    back: Array
    girth: float

    def around(self) -> Array:
        """Arc length around the axis, 0 in front, positive to the left, (n,) in units of height."""
        return np.arctan2(self.left, -self.back) * np.float32(self.girth)


Paint = Callable[[Surface], Array]
"""Spots (n) -> their colours (n, 3), sRGB 0 to 255, unlit."""


@dataclass(frozen=True)
class Capsule:
    """A sphere swept from `start` to `end`, both (3,), while its radius changes linearly.

    `frame`: its down is the axis. `length`: nothing of the capsule is left beyond this distance along the axis.
    """

    start: Array
    end: Array
    radius_start: float
    radius_end: float
    frame: Array
    length: float = np.inf

    def bounds(self) -> Bounds:
        low = np.minimum(self.start - self.radius_start, self.end - self.radius_end)
        high = np.maximum(self.start + self.radius_start, self.end + self.radius_end)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def cast(self, x: Array, y: Array) -> Array:
        """Depth of the nearest spot along the lines of sight at x, y (broadcast together); inf where there is none."""
        axis = self.end - self.start
        flat = max(float(np.hypot(axis[0], axis[1])), TINY)
        growth = (self.radius_end - self.radius_start) / flat
        # From here on one sphere hides the other's outline and nothing is lost by a milder taper.
        growth = min(max(growth, -STEEPEST_TAPER), STEEPEST_TAPER)
        right, below = float(axis[0]) / flat, float(axis[1]) / flat
        x, y = x - np.float32(self.start[0]), y - np.float32(self.start[1])
        along = x * np.float32(right) + y * np.float32(below)
        across = x * np.float32(below) - y * np.float32(right)
        # Spots above a sphere centred `foot` along the axis: height^2 = narrowing * (reach - (foot - middle)^2).
        narrowing = 1 - growth * growth
        start = np.float32(self.radius_start)
        middle = (along + np.float32(start * growth)) / np.float32(narrowing)
        beside = across * across
        reach = middle * middle + (start * start - beside - along * along) / np.float32(narrowing)
        # Of all spheres along the axis this one comes nearest to the viewer.
        lead = float(axis[2]) / flat / narrowing**0.5
        foot = np.clip(middle - np.sqrt(np.maximum(reach, 0)) * np.float32(lead / np.hypot(1, lead)), 0, flat)
        radius = start + np.float32(growth) * foot
        along -= foot
        height = radius * radius - beside - along * along
        hit = height >= 0
        depth = np.float32(self.start[2]) + foot * np.float32(axis[2] / flat) - np.sqrt(np.maximum(height, 0))
        if self.length < np.inf:
            unit = (axis / np.linalg.norm(axis)).astype(np.float32)
            hit &= x * unit[0] + y * unit[1] + (depth - np.float32(self.start[2])) * unit[2] <= self.length
        return np.where(hit, depth, np.float32(np.inf))

    def surface(self, points: Array, light: Array) -> Surface:
        """Spots (3, n) of `cast` in the capsule's coordinates, lit from direction `light` (3,)."""
        frame = self.frame.T.astype(np.float32)
        left, down, back = frame @ (points - self.start.astype(np.float32)[:, None])
        beyond = down - np.clip(down, 0, np.float32(np.linalg.norm(self.end - self.start)))
        lit = _cosine((left, beyond, back), frame @ light)
        return Surface(lit, left, down, back, max(self.radius_start, self.radius_end))


@dataclass(frozen=True)
class Ellipsoid:
    """`center` (3,), `radii` along the axes of `frame`; `keep`, of fractions of the radii: which spots are there."""

    center: Array
    radii: tuple[float, float, float]
    frame: Array
    keep: Keep | None = None

    def bounds(self) -> Bounds:
        x, y = np.sqrt(((self.frame * np.array(self.radii)) ** 2).sum(axis=1))[:2]
        return (
            float(self.center[0] - x),
            float(self.center[1] - y),
            float(self.center[0] + x),
            float(self.center[1] + y),
        )

    def _matrix(self) -> Array:
        """(3, 3): camera offsets to fractions of the radii."""
        return (self.frame / np.array(self.radii)).T.astype(np.float32)

    def cast(self, x: Array, y: Array) -> Array:
        """As `Capsule.cast`."""
        matrix = self._matrix()
        x, y = x - np.float32(self.center[0]), y - np.float32(self.center[1])
        quadric = matrix.T @ matrix
        linear = x * quadric[0, 2] + y * quadric[1, 2]
        constant = x * x * quadric[0, 0] + y * y * quadric[1, 1] + (2 * quadric[0, 1]) * (x * y) - np.float32(1)
        root = linear * linear - quadric[2, 2] * constant
        depth = (-linear - np.sqrt(np.maximum(root, 0))) / quadric[2, 2]
        hit = root >= 0
        if self.keep is not None:
            hit &= self.keep(*(row[0] * x + row[1] * y + row[2] * depth for row in matrix))
        return np.where(hit, depth + np.float32(self.center[2]), np.float32(np.inf))

    def surface(self, points: Array, light: Array) -> Surface:
        """As `Capsule.surface`."""
        matrix = self._matrix()
        local = matrix @ (points - self.center.astype(np.float32)[:, None])
        left, down, back = local
        normal = tuple(local / np.array(self.radii, np.float32)[:, None])
        return Surface(_cosine(normal, self.frame.T.astype(np.float32) @ light), left, down, back, max(self.radii))


@dataclass(frozen=True)
class Tube:
    """An open tube of elliptical section, from `start` down the second axis of `frame` for `length`.

    Half-widths (left to right) go linearly from `width_start` to `width_end`, and the ratio of depth to width from
    `ratio_start` to `ratio_end`. Its inside is seen through its open ends. `down_start`: the coordinate at its start,
    so that tubes joined end to end share one. `keep`: as for the ellipsoid, of coordinates in units of height.
    """

    start: Array
    length: float
    width_start: float
    width_end: float
    ratio_start: float
    ratio_end: float
    frame: Array
    down_start: float = 0.0
    girth: float = 0.1
    keep: Keep | None = None

    def bounds(self) -> Bounds:
        left, down, back = self.frame.T
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for center, width, ratio in (
            (self.start, self.width_start, self.ratio_start),
            (self.start + down * self.length, self.width_end, self.ratio_end),
        ):
            reach = np.hypot(left[:2], back[:2] * ratio) * width
            low, high = np.minimum(low, center[:2] - reach), np.maximum(high, center[:2] + reach)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def cast(self, x: Array, y: Array) -> Array:
        """As `Capsule.cast`, with the inside where the outside is cut away."""
        x, y = x - np.float32(self.start[0]), y - np.float32(self.start[1])
        near, far = self._roots(x, y, np.float32((self.ratio_start + self.ratio_end) / 2))
        if self.ratio_start != self.ratio_end:
            # The section changes shape along the axis: solve again with its ratio where the line of sight meets it.
            near, far = self._roots(x, y, self._ratio(x, y, near))[0], self._roots(x, y, self._ratio(x, y, far))[1]
        depth = np.where(self._kept(x, y, near), near, np.where(self._kept(x, y, far), far, np.float32(np.inf)))
        return depth + np.float32(self.start[2])

    def _ratio(self, x: Array, y: Array, depth: Array) -> Array:
        axis = self.frame[:, 1].astype(np.float32)
        fraction = (x * axis[0] + y * axis[1] + depth * axis[2]) / np.float32(self.length)
        return np.float32(self.ratio_start) + np.float32(self.ratio_end - self.ratio_start) * np.clip(fraction, 0, 1)

    def _roots(self, x: Array, y: Array, ratio: Array | np.float32) -> tuple[Array, Array]:
        """Depths at which the lines of sight meet the endless tube, nan where they do not."""
        frame = self.frame.astype(np.float32)
        slope = np.float32((self.width_end - self.width_start) / self.length)
        left, down, back = (x * frame[0, i] + y * frame[1, i] for i in range(3))
        towards_left, towards_down, towards_back = frame[2]
        width = np.float32(self.width_start) + slope * down
        flatten = 1 / (ratio * ratio)
        square = towards_left**2 + towards_back**2 * flatten - (slope * towards_down) ** 2
        linear = left * towards_left + back * (towards_back * flatten) - width * (slope * towards_down)
        constant = left * left + back * back * flatten - width * width
        root = linear * linear - square * constant
        root = np.sqrt(np.where(root >= 0, root, np.float32(np.nan)))
        return (-linear - root) / square, (-linear + root) / square

    def _kept(self, x: Array, y: Array, depth: Array) -> Array:
        frame = self.frame.astype(np.float32)
        down = x * frame[0, 1] + y * frame[1, 1] + depth * frame[2, 1]
        kept = (down >= 0) & (down <= self.length)
        if self.keep is not None:
            left, back = (x * frame[0, i] + y * frame[1, i] + depth * frame[2, i] for i in (0, 2))
            kept &= self.keep(left, down + np.float32(self.down_start), back)
        return kept

    def surface(self, points: Array, light: Array) -> Surface:
        """As `Capsule.surface`; on the inside the normal still points outwards, away from the viewer."""
        frame = self.frame.T.astype(np.float32)
        left, down, back = frame @ (points - self.start.astype(np.float32)[:, None])
        ratio = self.ratio_start + (self.ratio_end - self.ratio_start) * np.clip(down / np.float32(self.length), 0, 1)
        # The slope along the axis is left out of the normal, so that tubes joined end to end look like one smooth body.
        lit = _cosine((left, np.zeros_like(left), back / (ratio * ratio).astype(np.float32)), frame @ light)
        return Surface(lit, left, down + np.float32(self.down_start), back, self.girth)


def _cosine(normal: tuple[Array, ...], light: Array) -> Array:
    """Of the angle between normals of any length, three components (n,), and a direction (3,)."""
    left, down, back = normal
    length = np.sqrt(left * left + down * down + back * back)
    return (left * light[0] + down * light[1] + back * light[2]) / np.maximum(length, np.float32(TINY))


Shape = Capsule | Ellipsoid | Tube


@dataclass(frozen=True)
class Part:
    """One shape of a mannequin and its paint. `group`: the member of the body which it is or covers."""

    group: str
    shape: Shape
    paint: Paint
