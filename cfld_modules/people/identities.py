"""Draws who a person is by a number: build, skin, hair and clothes."""

import colorsys
from dataclasses import dataclass

import numpy as np

from .wardrobes import SKIRTS, Half

Color = np.ndarray
"""sRGB from 0 to 1, (3,)."""

# What is seen on a cloth, by its number in the studio's shader.
PLAIN, STRIPES, CHECKS, PINSTRIPES, DOTS, SPLASHES, PRINT, HALVES, BAND, DENIM = range(10)
# On light and dark skin each, sRGB.
SKIN = np.array([[238, 200, 174], [226, 180, 148], [208, 158, 122], [180, 128, 92], [132, 88, 62], [92, 60, 44]]) / 255
HAIR = np.array([
    [24, 20, 18], [48, 33, 24], [78, 50, 30], [112, 76, 44], [168, 128, 78], [120, 44, 22], [128, 124, 120]
]) / 255
IRIS = np.array([[70, 42, 22], [96, 66, 34], [60, 90, 110], [70, 92, 60]]) / 255
HAIR_OF_WOMEN = ("bob01", "bob02", "long01", "ponytail01", "braid01", "short03", "afro01")
HAIR_OF_MEN = ("short01", "short02", "short04", "short03", "short02", "short04", "afro01")
# Suits, tops and bottoms of which go with each other.
TOPS_OF_WOMEN = ("female_casualsuit01", "female_elegantsuit01", "female_casualsuit02", "male_casualsuit04")
TOPS_OF_MEN = ("male_casualsuit02", "male_casualsuit03", "male_casualsuit04", "male_casualsuit05", "male_casualsuit06",
               "male_elegantsuit01")
TROUSERS_OF_WOMEN = ("female_casualsuit01", "female_sportsuit01")
TROUSERS_OF_MEN = ("male_casualsuit02", "male_casualsuit04", "male_elegantsuit01")
TOP_KINDS = {
    PLAIN: 0.26, STRIPES: 0.16, CHECKS: 0.12, PINSTRIPES: 0.06, DOTS: 0.06, SPLASHES: 0.06, PRINT: 0.14, HALVES: 0.07,
    BAND: 0.07,
}
DENIM_DARK, DENIM_LIGHT = np.array([0.10, 0.16, 0.32]), np.array([0.36, 0.48, 0.66])
SHOES = ("shoes01", "shoes02", "shoes03", "shoes04", "shoes05", "shoes06")


@dataclass(frozen=True)
class Cloth:
    """Half of a suit and what is seen on it. hem: nothing is below this height, in metres."""

    suit: str
    half: Half
    kind: int
    first: Color
    second: Color
    scale: float = 0.05
    hem: float = -1.0
    print_form: int = 0
    print_height: float = 1.2


@dataclass(frozen=True)
class Identity:
    """phenotypes: anny's."""

    phenotypes: dict[str, float]
    skin: Color
    lips: Color
    iris: Color
    hair: str
    hair_color: Color
    brows: str
    shoes: str
    shoe_color: Color
    sole_color: Color
    clothes: tuple[Cloth, Cloth]


def sample_identity(seed: int) -> Identity:
    """The person of this number: grown up, a woman or a man."""
    dice = np.random.default_rng([1000, seed])
    between = dice.uniform
    is_woman = dice.uniform() < 0.5
    tone = between()
    ancestry = dice.dirichlet((0.5, 0.5, 0.5)) if tone < 0.6 else np.array([0.8, 0.1, 0.1])
    phenotypes = {
        "gender": between(0.85, 1.0) if is_woman else between(0.0, 0.15), "age": between(0.48, 0.8),
        "muscle": between(0.35, 0.7), "weight": between(0.3, 0.75), "height": between(0.35, 0.65),
        "proportions": between(0.5, 0.9), "african": ancestry[0], "asian": ancestry[1], "caucasian": ancestry[2],
    }
    at = tone * (len(SKIN) - 1.001)
    skin = _mix(SKIN[int(at)], SKIN[int(at) + 1], at % 1)
    lips = skin * (0.86, 0.62, 0.62) if is_woman else skin * (0.86, 0.7, 0.68)
    hair_color = HAIR[dice.integers(len(HAIR)) if tone < 0.5 else dice.integers(3)]
    clothes = _clothes(dice, is_woman)
    shoe = between(0.05, 0.3) * np.array([1.0, 0.9, 0.85])
    return Identity(
        phenotypes, skin, lips, IRIS[dice.integers(4) if tone < 0.5 else 0],
        str(dice.choice(HAIR_OF_WOMEN if is_woman else HAIR_OF_MEN)), hair_color, f"eyebrow{dice.integers(1, 13):03d}",
        str(dice.choice(SHOES)), np.full(3, 0.9) if dice.uniform() < 0.25 else shoe,
        np.array([0.85, 0.85, 0.84] if dice.uniform() < 0.4 else [0.08, 0.07, 0.07]), clothes,
    )


def _clothes(dice: np.random.Generator, is_woman: bool) -> tuple[Cloth, Cloth]:
    tops = TOPS_OF_WOMEN if is_woman else TOPS_OF_MEN
    kind = int(dice.choice(list(TOP_KINDS), p=list(TOP_KINDS.values())))
    first, second = _dye(dice), _dye(dice)
    while np.abs(first - second).max() < 0.25:
        second = _dye(dice)
    top = Cloth(
        tops[dice.integers(len(tops))], "top", kind, first, second, scale=float(dice.uniform(0.035, 0.1)),
        print_form=int(dice.integers(4)), print_height=float(dice.uniform(1.16, 1.28)),
    )
    skirt = is_woman and dice.uniform() < 0.45
    choices = SKIRTS if skirt else TROUSERS_OF_WOMEN if is_woman else TROUSERS_OF_MEN
    suit = choices[dice.integers(len(choices))]
    if skirt and dice.uniform() < 0.35:  # with the top of the same cloth it is a dress
        kind = top.kind if top.kind < PRINT else PLAIN
        return top, Cloth(suit, "bottom", kind, top.first, top.second, top.scale)
    denim = not skirt and dice.uniform() < 0.4
    color = _mix(DENIM_DARK, DENIM_LIGHT, dice.uniform()) if denim else _dye(dice)
    hem = -1.0 if skirt or dice.uniform() < 0.75 else float(dice.uniform(0.42, 0.56))
    kind = DENIM if denim else int(dice.choice((PLAIN, CHECKS, PINSTRIPES), p=(0.88, 0.05, 0.07)))
    return top, Cloth(suit, "bottom", kind, color, _mix(color, np.ones(3), 0.4), hem=hem)


def _dye(dice: np.random.Generator) -> Color:
    if dice.uniform() < 0.3:
        return np.full(3, dice.choice((0.06, 0.2, 0.45, 0.75, 0.93)))
    return np.array(colorsys.hsv_to_rgb(dice.uniform(), dice.uniform(0.25, 0.8), dice.uniform(0.3, 0.9)))


def _mix(first: Color, second: Color, share: float) -> Color:
    return first * (1 - share) + second * share
