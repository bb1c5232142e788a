"""What is painted on a mannequin: fabrics, in garment coordinates so that patterns move with the body, and a face."""

from typing import Literal

import numpy as np

from .identity import Colour, Motif, Texture
from .shapes import Array, Paint, Surface

Place = Literal["torso", "hips", "skirt", "sleeve", "leg"]

# Where colour blocks change, down from where each part of a garment begins, and the motif on the chest, down from the
# neck, in units of a grown person's height.
BLOCK_EDGES: dict[Place, float] = {"torso": 0.155, "skirt": 0.155, "sleeve": 0.08, "hips": 0.16, "leg": 0.16}
MOTIF_DOWN, MOTIF_RADIUS = 0.135, 0.062

# On the head, in fractions of its radii: how far an eye is from the middle and below it; the nose.
EYE = (0.38, 0.0)
NOSE_DOWN = 0.24
WHITE_OF_EYE, PUPIL = (246, 244, 240), (44, 36, 34)


def plain(colour: Colour) -> Paint:
    """The same colour everywhere."""
    value = np.array(colour, np.float32)
    return lambda surface: np.broadcast_to(value, (len(surface.down), 3))


def fabric(texture: Texture, place: Place, side: int = 0) -> Paint:
    """The texture as it looks on this part of a garment; `side`: 1 for a left sleeve, -1 for a right one."""
    first = np.array(texture.first, np.float32)
    difference = np.array(texture.second, np.float32) - first

    def paint(surface: Surface) -> Array:
        return first + _share_of_second(texture, place, side, surface)[:, None] * difference

    return paint


def neckline(skin: Colour, cloth: Paint, depth: float) -> Paint:
    """A garment's front with a round opening below the neck, `depth` deep."""
    skin_colour = np.array(skin, np.float32)

    def paint(surface: Surface) -> Array:
        open_front = (surface.back < 0) & (surface.down < depth * (1 - (surface.left / 0.055) ** 2))
        return np.where(open_front[:, None], skin_colour, cloth(surface))

    return paint


def layered(upper: Paint, lower: Paint, edge: float) -> Paint:
    """`upper` above `edge` (the coordinate down), `lower` from there on."""

    def paint(surface: Surface) -> Array:
        return np.where((surface.down < edge)[:, None], upper(surface), lower(surface))

    return paint


def face(skin: Colour, hair: Colour) -> Paint:
    """Eyes, brows, cheeks and mouth on the front of an ellipsoid."""
    skin_colour = np.array(skin, np.float32)
    lips, blush = (skin_colour * factors for factors in ((0.80, 0.52, 0.52), (1.0, 0.86, 0.84)))
    brows = np.array(hair) * 0.8

    def paint(surface: Surface) -> Array:
        x, y, front = np.abs(surface.left), surface.down, surface.back < 0
        colours = np.broadcast_to(skin_colour, (len(y), 3)).copy()
        for region, colour in (
            (((x - 0.5) / 0.24) ** 2 + ((y - 0.3) / 0.18) ** 2 < 1, blush),
            (((x - EYE[0]) / 0.21) ** 2 + ((y - EYE[1]) / 0.13) ** 2 < 1, WHITE_OF_EYE),
            (((x - EYE[0]) / 0.115) ** 2 + ((y - EYE[1]) / 0.13) ** 2 < 1, PUPIL),
            ((np.abs(x - EYE[0] - 0.02) < 0.21) & (np.abs(y + 0.2 - 0.3 * (x - 0.4) ** 2) < 0.045), brows),
            ((x / 0.27) ** 2 + ((y - 0.55 + 0.3 * x * x) / 0.075) ** 2 < 1, lips),
        ):
            colours[region & front] = colour
        return colours

    return paint


def _share_of_second(texture: Texture, place: Place, side: int, surface: Surface) -> Array:
    """How much of the second colour shows, (n,) from 0 to 1."""
    down, period = surface.down, np.float32(texture.period)
    match texture.kind:
        case "stripes":
            cycles = _around_cycles(surface, period) + 0.25 if texture.vertical else down / period
            return (_cycle(cycles) >= 0.5).astype(np.float32)
        case "checks":
            across = _cycle(_around_cycles(surface, period) + 0.25) >= 0.5
            return (across.astype(np.float32) + (_cycle(down / period) >= 0.5)) / 2
        case "dots":
            # Rows half a cell apart; every second one is shifted by half a cell.
            row = np.floor(down / (period * 0.75))
            x = _cycle(_around_cycles(surface, period) + row / 2) - 0.5
            y = (down / (period * 0.75) - row - 0.5) * 0.75
            return (x * x + y * y < 0.27**2).astype(np.float32)
        case "blocks":
            return _blocks(texture, place, side, surface)
        case "motif" if place == "torso":
            x, y = surface.around() / MOTIF_RADIUS, (down - MOTIF_DOWN) / MOTIF_RADIUS
            return _inside_motif(texture.motif, x, y).astype(np.float32)
        case _:
            return np.zeros_like(down)


def _blocks(texture: Texture, place: Place, side: int, surface: Surface) -> Array:
    """Two fields: upper and lower half, or the left and the right half of the body."""
    if texture.vertical and place in ("torso", "skirt"):
        return (surface.left > 0).astype(np.float32)
    if texture.vertical and place == "sleeve":
        return np.full_like(surface.down, side > 0)
    return (surface.down >= BLOCK_EDGES[place]).astype(np.float32)


def _inside_motif(motif: Motif, x: Array, y: Array) -> Array:
    """Whether spots (x to the left, y down, the unit circle around the motif) belong to it."""
    radius = np.hypot(x, y)
    match motif:
        case "disc":
            return radius < 0.85
        case "ring":
            return (radius < 0.95) & (radius > 0.5)
        case "diamond":
            return np.abs(x) / 0.8 + np.abs(y) < 1
        case "triangle":
            return (y < 0.7) & (np.abs(x) < 0.58 * (y + 0.95))
        case "heart":
            lobe = np.hypot(np.abs(x) - 0.42, y + 0.3) < 0.5
            return lobe | ((y > -0.3) & (np.abs(x) < 0.92 * (0.8 - y) / 1.1))
        case "star":
            # The distance from the centre to the edge of a five-pointed star, along the angle from the nearest tip.
            angle = np.arctan2(x, -y)
            off = np.abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
            return radius * (np.cos(off) + 2.2 * np.sin(off)) < 1


def _around_cycles(surface: Surface, period: np.float32) -> Array:
    """Whole periods around the axis, the period stretched so that they close."""
    turns = max(2, round(2 * np.pi * surface.girth / float(period)))
    return np.arctan2(surface.left, -surface.back) * np.float32(turns / (2 * np.pi))


def _cycle(values: Array) -> Array:
    return values - np.floor(values)
