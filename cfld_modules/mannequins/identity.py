"""Who a mannequin is: proportions, skin, hair and clothes, drawn at random from a seed.

Random numbers are Philox bits keyed by the SHA-256 of the purpose and the seed, turned into uniform numbers here and
not by NumPy's distributions, so that a seed means the same person on every platform and with every version of NumPy.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

Choice = TypeVar("Choice")
Colour = tuple[int, int, int]
TextureKind = Literal["plain", "stripes", "checks", "dots", "blocks", "motif"]
GarmentKind = Literal["t-shirt", "long-sleeved top", "sleeveless top", "dress", "trousers", "shorts", "skirt", "jacket"]
Motif = Literal["disc", "diamond", "heart", "star", "triangle", "ring"]
HairStyle = Literal["short", "cropped", "bob", "long", "bun", "ponytail", "curls"]

TEXTURE_KINDS: tuple[TextureKind, ...] = ("plain", "stripes", "checks", "dots", "blocks", "motif")
MOTIFS: tuple[Motif, ...] = ("disc", "diamond", "heart", "star", "triangle", "ring")
HAIR_STYLES: tuple[HairStyle, ...] = ("short", "cropped", "bob", "long", "bun", "ponytail", "curls")

FABRIC_COLOURS: tuple[Colour, ...] = (
    (246, 245, 240), (238, 224, 188), (44, 44, 52), (92, 96, 104), (36, 52, 108), (44, 102, 196), (122, 186, 232),
    (20, 134, 136), (44, 142, 74), (124, 126, 58), (154, 216, 182), (246, 204, 56), (240, 132, 44), (176, 76, 40),
    (208, 42, 50), (124, 26, 54), (244, 152, 178), (202, 52, 134), (112, 66, 164), (184, 160, 224), (112, 74, 50),
    (198, 154, 102), (84, 114, 158),
)  # fmt: skip
SKIN_COLOURS: tuple[Colour, ...] = (
    (250, 220, 196), (240, 200, 168), (224, 178, 140), (196, 144, 104), (156, 106, 74), (112, 74, 52),
)  # fmt: skip
HAIR_COLOURS: tuple[Colour, ...] = (
    (34, 28, 28), (72, 46, 32), (118, 76, 44), (168, 116, 62), (222, 182, 108), (162, 70, 36), (152, 150, 152),
)  # fmt: skip

# Euclidean distances between sRGB colours (0 to 255) from which two fabrics, or the two colours of one, are told apart.
GARMENT_CONTRAST = 90.0
TEXTURE_CONTRAST = 135.0


class Dice:
    """A stream of random numbers, the same everywhere for the same `purpose` and `seed`."""

    def __init__(self, purpose: str, seed: int) -> None:
        digest = hashlib.sha256(f"mannequin {purpose} {seed}".encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def around(self, middle: float, spread: float) -> float:
        """Bell-shaped, within `spread` of `middle`."""
        return middle + spread * (self.uniform(-1, 1) + self.uniform(-1, 1)) / 2

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.uniform(0, len(choices)))]


@dataclass(frozen=True)
class Texture:
    """What a fabric shows. `period` (one stripe pair, check or dot cell) in units of a grown person's height."""

    kind: TextureKind
    first: Colour
    second: Colour
    period: float
    vertical: bool
    motif: Motif


@dataclass(frozen=True)
class Garment:
    """One piece of clothing.

    sleeve: how far it covers the arm, in segments (0 none, 0.5 half of the upper arm, 2 to the wrist). hem: the same
    for the legs; the higher, the longer a jacket. width: added to the radius at the end of trouser legs, and to the
    half-width of a skirt's hem. neckline: depth of the opening below the neck. cuff: as width, for sleeves. These
    three in units of a grown person's height.
    """

    kind: GarmentKind
    texture: Texture
    sleeve: float = 0.0
    hem: float = 0.0
    width: float = 0.0
    neckline: float = 0.03
    cuff: float = 0.006

    @property
    def skirted(self) -> bool:
        """Whether one tube goes around both legs."""
        return self.kind in ("skirt", "dress")


@dataclass(frozen=True)
class Proportions:
    """Factors on the average body, near 1."""

    stature: float
    shoulders: float
    waist: float
    hips: float
    limbs: float
    legs: float
    head: float


@dataclass(frozen=True)
class Identity:
    """Everything that makes one person; any identity can be drawn in any pose.

    A dress is a `top` without `bottom`. `tucked`: the top ends at the waist, inside the bottom.
    """

    proportions: Proportions
    skin: Colour
    hair: Colour
    hair_style: HairStyle
    top: Garment
    bottom: Garment | None
    jacket: Garment | None
    tucked: bool
    shoes: Colour

    @property
    def lower(self) -> Garment:
        """What covers hips and legs."""
        return self.top if self.bottom is None else self.bottom

    @property
    def garments(self) -> tuple[Garment, ...]:
        """What the person wears, outermost first."""
        return tuple(garment for garment in (self.jacket, self.top, self.bottom) if garment is not None)


def sample_identity(seed: int) -> Identity:
    """The person of this seed."""
    dice = Dice("identity", seed)
    proportions = Proportions(
        stature=dice.around(0.97, 0.06),
        shoulders=dice.around(1.0, 0.14),
        waist=dice.around(1.0, 0.16),
        hips=dice.around(1.0, 0.12),
        limbs=dice.around(1.0, 0.16),
        legs=dice.around(1.0, 0.05),
        head=dice.around(1.0, 0.08),
    )
    skin, hair, hair_style = dice.pick(SKIN_COLOURS), dice.pick(HAIR_COLOURS), dice.pick(HAIR_STYLES)
    top = _sample_top(dice, skin)
    worn = [skin, top.texture.first, top.texture.second]
    bottom = None if top.kind == "dress" else _sample_bottom(dice, worn)
    jacket = None
    if top.kind != "dress" and dice.happens(0.3):
        jacket = _sample_jacket(dice, worn if bottom is None else [*worn, bottom.texture.first])
    return Identity(
        proportions=proportions,
        skin=_jitter(dice, skin),
        hair=_jitter(dice, hair),
        hair_style=hair_style,
        top=top,
        bottom=bottom,
        jacket=jacket,
        tucked=dice.happens(0.4),
        shoes=_jitter(dice, dice.pick(FABRIC_COLOURS)),
    )


def _sample_top(dice: Dice, skin: Colour) -> Garment:
    kind: GarmentKind = dice.pick(
        ("t-shirt", "t-shirt", "long-sleeved top", "long-sleeved top", "sleeveless top", "dress")
    )
    texture = _sample_texture(dice, TEXTURE_KINDS, avoid=[skin])
    neckline = dice.pick((0.025, 0.035, 0.06))
    if kind == "dress":
        sleeve = dice.pick((0.0, 0.5, 1.9))
        return Garment(kind, texture, sleeve, dice.uniform(0.7, 1.5), dice.uniform(0.02, 0.075), neckline)
    sleeve = {"t-shirt": dice.uniform(0.5, 0.75), "long-sleeved top": 1.92}.get(kind, 0.0)
    return Garment(kind, texture, sleeve, neckline=neckline, cuff=dice.uniform(0.0, 0.012))


def _sample_bottom(dice: Dice, worn: list[Colour]) -> Garment:
    kind: GarmentKind = dice.pick(("trousers", "trousers", "shorts", "skirt"))
    kinds: tuple[TextureKind, ...] = ("plain", "plain", "stripes", "checks", "dots", "blocks")
    texture = _sample_texture(dice, kinds, avoid=worn)
    if kind == "trousers":
        return Garment(kind, texture, hem=dice.uniform(1.75, 1.93), width=dice.pick((0.0, 0.008, 0.02)))
    if kind == "shorts":
        return Garment(kind, texture, hem=dice.uniform(0.5, 0.95), width=dice.uniform(0.004, 0.014))
    return Garment(kind, texture, hem=dice.uniform(0.55, 1.6), width=dice.uniform(0.01, 0.075))


def _sample_jacket(dice: Dice, worn: list[Colour]) -> Garment:
    kinds: tuple[TextureKind, ...] = ("plain", "plain", "stripes", "checks")
    return Garment("jacket", _sample_texture(dice, kinds, avoid=worn), sleeve=1.95, hem=dice.uniform(0.0, 0.45))


def _sample_texture(dice: Dice, kinds: Sequence[TextureKind], avoid: Sequence[Colour]) -> Texture:
    first = _contrasting(dice, avoid, GARMENT_CONTRAST)
    second = _contrasting(dice, [first], TEXTURE_CONTRAST)
    return Texture(
        kind=dice.pick(kinds),
        first=first,
        second=second,
        period=dice.uniform(0.085, 0.115),
        vertical=dice.happens(0.4),
        motif=dice.pick(MOTIFS),
    )


def _contrasting(dice: Dice, others: Sequence[Colour], distance: float) -> Colour:
    """A fabric colour at least this far from all others, or the farthest there is."""

    def nearest(colour: Colour) -> float:
        return min(float(np.linalg.norm(np.subtract(colour, other))) for other in others)

    far = [colour for colour in FABRIC_COLOURS if nearest(colour) >= distance]
    return _jitter(dice, dice.pick(far) if far else max(FABRIC_COLOURS, key=nearest))


def _jitter(dice: Dice, colour: Colour) -> Colour:
    red, green, blue = (min(255, max(0, round(value + dice.uniform(-9, 9)))) for value in colour)
    return red, green, blue
