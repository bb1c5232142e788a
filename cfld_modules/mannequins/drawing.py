"""Draws a mannequin: a camera that fits the person, lines of sight against all shapes, light, outlines, a studio."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from einops import reduce
from scipy import ndimage

from ..photographs import STUDIO_WALL
from ..poses.keypoints import Pose
from .body import dress_skeleton, key_points
from .identity import Identity
from .shapes import Array, Part
from .skeleton import MannequinPose, Skeleton, articulate

# Lines of sight a pixel, along each side.
SUPERSAMPLING = 2

# A grown person's height over the picture's, and the free border; a pose that needs more room is drawn smaller.
FIGURE_HEIGHT = 0.90
BORDER = 0.02

# The direction to the light, and its share beside that from everywhere.
LIGHT = np.array([-0.42, -0.62, -0.66], np.float32)
AMBIENT, DIRECT = np.float32(0.80), np.float32(0.24)
OUTLINE_STEP = 0.022
# Of two shapes this near to each other the first is drawn: segments of a limb share the sphere at their joint.
TIE = np.float32(2e-4)
FLOOR = (204, 205, 211)

# How far, in units of height, shapes of a member of the body may lie in front of a key point without hiding it: a point
# lies inside its own members, those of the face at its surface; a skirt hides no leg. The margin over the neck lets it
# be seen from the side, through the near shoulder.
OWN, ARM_OVER_NECK, OTHER, OVER_FACE = 0.14, 0.16, 0.035, 0.025
MARGINS: list[dict[str, float]] = [
    {},
    {"torso": np.inf, "head": np.inf, "hair": np.inf, "right arm": ARM_OVER_NECK, "left arm": ARM_OVER_NECK},
    *({arm: OWN} | trunk for arm in ("right arm", "left arm") for trunk in ({"torso": OWN}, {}, {})),
    *({leg: OWN, "skirt": np.inf} | trunk for leg in ("right leg", "left leg") for trunk in ({"torso": OWN}, {}, {})),
    *({} for _ in range(4)),
]
FACE_POINTS = (0, 14, 15, 16, 17)


@dataclass(frozen=True)
class Mannequin:
    """A drawn person.

    image: (height, width, 3) uint8 RGB. pose: key points in pixels, the centre of the first pixel at (0, 0); NaN where
    another part of the body hides them (the clothes around a joint do not). silhouette: (height, width) bool, where the
    person covers at least half of the pixel.
    """

    image: Array
    pose: Pose
    silhouette: Array


@dataclass(frozen=True)
class Camera:
    """Orthographic: X, Y in units of height are left + scale * X, top + scale * Y in pixels from the picture's edge."""

    scale: float
    left: float
    top: float


def draw_mannequin(
    identity: Identity, pose: MannequinPose, width: int = 176, height: int = 256, framed: MannequinPose | None = None
) -> Mannequin:
    """This person in this pose.

    Args:
        framed: the pose that the camera fits, for several views by one camera; `pose` where not given.
    """
    skeleton = articulate(pose, identity.proportions)
    parts = dress_skeleton(identity, skeleton)
    points = key_points(identity, skeleton)
    bounds = _bounds(parts)
    framed_parts = parts if framed is None else dress_skeleton(identity, articulate(framed, identity.proportions))
    camera = _fit_camera(_bounds(framed_parts), width, height)
    rows, columns = _window(bounds, camera, width, height)
    colours, coverage = _render(parts, bounds, camera, rows, columns)
    image = _studio(width, height).copy()
    _cast_shadow(image, skeleton, camera)
    window = image[rows, columns]
    window *= 1 - coverage[:, :, None]
    window += colours
    silhouette = np.zeros((height, width), bool)
    silhouette[rows, columns] = coverage >= 0.5
    pixels = points[:, :2] * camera.scale + (camera.left, camera.top) - 0.5
    pixels[_hidden(parts, points)] = np.nan
    return Mannequin(np.clip(image + 0.5, 0, 255).astype(np.uint8), Pose(pixels, width, height), silhouette)


def _bounds(parts: list[Part]) -> Array:
    """(parts, 4): left, top, right, bottom of each shape."""
    return np.array([part.shape.bounds() for part in parts])


def _fit_camera(bounds: Array, width: int, height: int) -> Camera:
    """Centres the person; the scale is that of a grown person upright, less if the pose would not fit."""
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    room = np.array([width, height]) - 2 * BORDER * min(height, 2 * width)
    scale = min(FIGURE_HEIGHT * height, float((room / (high - low)).min()))
    left, top = np.array([width, height]) / 2 - scale * (low + high) / 2
    return Camera(scale, float(left), float(top))


def _window(bounds: Array, camera: Camera, width: int, height: int) -> tuple[slice, slice]:
    """The rows and columns of the picture that the shapes reach."""
    corners = np.stack([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)]) * camera.scale + (
        camera.left,
        camera.top,
    )
    left, top = np.maximum(np.floor(corners[0]).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(corners[1]).astype(int), (width, height)).tolist()
    return slice(top, bottom), slice(left, right)


def _render(parts: list[Part], bounds: Array, camera: Camera, rows: slice, columns: slice) -> tuple[Array, Array]:
    """Lit colours times coverage (h, w, 3) and coverage (h, w), 0 to 1, of these rows and columns of the picture."""
    x = _lines_of_sight(columns, camera.left, camera.scale)[None]
    y = _lines_of_sight(rows, camera.top, camera.scale)[:, None]
    depth, nearest = _nearest(parts, bounds, x, y)
    colours = _lit_colours(parts, x, y, depth, nearest)
    return _of_pixels(colours), _of_pixels((nearest >= 0).astype(np.float32))


def _of_pixels(fine: Array) -> Array:
    """Means of all lines of sight of a pixel."""
    return reduce(fine, "(h down) (w right) ... -> h w ...", "mean", down=SUPERSAMPLING, right=SUPERSAMPLING)


def _lines_of_sight(pixels: slice, edge: float, scale: float) -> Array:
    """Where they are along one side, in units of height."""
    fine = np.arange(pixels.start * SUPERSAMPLING, pixels.stop * SUPERSAMPLING) + 0.5
    return ((fine / SUPERSAMPLING - edge) / scale).astype(np.float32)


def _nearest(parts: list[Part], bounds: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Depth (h, w), inf where there is nothing, and the number of the part seen, -1 where there is none."""
    depth = np.full((y.size, x.size), np.inf, np.float32)
    nearest = np.full(depth.shape, -1, np.int16)
    lefts, tops, rights, bottoms = (
        np.searchsorted(grid.ravel(), bounds[:, side]).tolist() for side, grid in enumerate((x, y, x, y))
    )
    for number, part in enumerate(parts):
        rows, columns = slice(tops[number], bottoms[number]), slice(lefts[number], rights[number])
        found = part.shape.cast(x[:, columns], y[rows])
        nearer = found < depth[rows, columns] - TIE
        np.copyto(depth[rows, columns], found, where=nearer)
        np.copyto(nearest[rows, columns], np.int16(number), where=nearer)
    return depth, nearest


def _lit_colours(parts: list[Part], x: Array, y: Array, depth: Array, nearest: Array) -> Array:
    """(h, w, 3), black where there is nothing."""
    spots = np.flatnonzero(nearest >= 0)
    # Spots of one part come together.
    spots = spots[np.argsort(nearest.ravel()[spots], kind="stable")]
    ends = np.cumsum(np.bincount(nearest.ravel()[spots], minlength=len(parts))).tolist()
    points = np.stack([x[0, spots % x.size], y[spots // x.size, 0], depth.ravel()[spots]])
    lit = np.empty((len(spots), 3), np.float32)
    for part, begin, end in zip(parts, [0, *ends], ends, strict=False):
        if begin < end:
            surface = part.shape.surface(points[:, begin:end], LIGHT)
            np.multiply(part.paint(surface), (AMBIENT + DIRECT * surface.lit)[:, None], out=lit[begin:end])
    lit *= _contrast(depth).ravel()[spots, None]
    colours = np.zeros((*depth.shape, 3), np.float32)
    colours.reshape(-1, 3)[spots] = lit
    return colours


def _contrast(depth: Array) -> Array:
    """Factors on the light, (h, w): lines where a shape ends before another, shade in hollows beside nearer ones."""
    depth = np.minimum(depth, np.float32(1.0))
    step = ndimage.maximum_filter(depth, 3) - depth
    line = 1 - np.float32(0.45) * np.clip(step * np.float32(1 / OUTLINE_STEP) - np.float32(0.5), 0, 1)
    size = max(3, depth.shape[0] // 40) | 1
    hollow = np.clip(depth - ndimage.uniform_filter(depth, size, mode="mirror"), 0, np.float32(0.06))
    return line * (1 - 4 * hollow)


@lru_cache(maxsize=8)
def _studio(width: int, height: int) -> Array:
    """(height, width, 3): a plain wall that brightens upwards."""
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(
        np.array(STUDIO_WALL, np.float32) * (1 - share) + np.array(FLOOR, np.float32) * share, (height, width, 3)
    )


def _cast_shadow(image: Array, skeleton: Skeleton, camera: Camera) -> None:
    """A soft spot on the floor below each foot that stands on it."""
    ankles = [leg.joints[2] for leg in skeleton.legs]
    ground = max(ankle[1] for ankle in ankles)
    height, width = image.shape[:2]
    for ankle in ankles:
        strength = 0.22 * np.exp(-(((ground - ankle[1]) / 0.04) ** 2))
        x = (np.arange(width) - camera.left - camera.scale * ankle[0]) / (0.075 * camera.scale)
        y = (np.arange(height) - camera.top - camera.scale * (ankle[1] + 0.046)) / (0.018 * camera.scale)
        rows = np.nonzero(np.abs(y) < 3)[0]
        spot = np.outer(np.exp(-(y[rows] ** 2)), strength * np.exp(-(x**2)))
        image[rows] *= (1 - spot[:, :, None]).astype(np.float32)


def _hidden(parts: list[Part], points: Array) -> Array:
    """(18,) bool: whether anything lies so far in front of the key point that it is not seen."""
    x, y = points[None, :, 0].astype(np.float32), points[None, :, 1].astype(np.float32)
    margins = {
        group: [own.get(group, OVER_FACE if i in FACE_POINTS else OTHER) for i, own in enumerate(MARGINS)]
        for group in {part.group for part in parts}
    }
    hidden = np.zeros(len(points), bool)
    for part in parts:
        hidden |= part.shape.cast(x, y)[0] < points[:, 2] - margins[part.group]
    return hidden
