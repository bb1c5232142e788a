"""The clothes there are: MakeHuman's garments from a folder, or else pieces cut from the base mesh's helpers."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .bodies import BODY_END, body_model
from .garments import Garment, body_part, read_garment, smooth

Half = Literal["top", "bottom"]
SKIRTS = ("female_casualsuit02", "female_elegantsuit01")
SMALLEST_PIECE = 260  # vertices; buttons, socks and the like are smaller
# Heights on the average body, in metres.
WAIST, COLLAR, ANKLE, KNEE, EARS, HAIRLINE, NAPE = 0.9, 1.42, 0.12, 0.42, 1.585, 1.605, 1.47
SLEEVES, LENGTHS = (0.27, 0.36, 9.0), (0.8, 0.87)
COVERED = 0.05
SHORT_HAIR, FRINGE = 0.012, 0.07  # metres


@dataclass(frozen=True)
class FolderWardrobe:
    """MakeHuman's assets below a folder: clothes/, hair/, eyebrows/ and eyelashes/, each with <name>/<name>.mhclo."""

    folder: Path

    def suit(self, name: str, half: Half) -> Garment:
        """The bottom of a suit is the piece of it that reaches farthest down, the top all others."""
        suit = self._read("clothes", name)
        *top, bottom = _large_pieces(suit)
        return suit.part(np.any(top, axis=0) if half == "top" else bottom)

    def shoes(self, name: str, socks: bool) -> Garment:
        """Both shoes; the socks that come with them would poke through narrow trousers."""
        shoes = self._read("clothes", name)
        return shoes if socks else shoes.part(np.any(_large_pieces(shoes), axis=0))

    def hair(self, name: str) -> list[Garment]:
        return [self._read("hair", name)]

    def lashes(self) -> Garment:
        return self._read("eyelashes", "eyelashes01")

    def brows(self, name: str) -> list[Garment]:
        return [self._read("eyebrows", name)]

    def _read(self, folder: str, name: str) -> Garment:
        return read_garment(self.folder / folder / name / f"{name}.mhclo")


class HelperWardrobe:
    """Cuts of the tights, the skirt and the hair that the base mesh has beside the body; names choose lengths."""

    def suit(self, name: str, half: Half) -> Garment:
        number = sum(map(ord, name))
        if half == "top":
            return _cut("helper-tights", (LENGTHS[number % 2], COLLAR, SLEEVES[number % 3]))
        if name in SKIRTS:
            return _cut("helper-skirt", (KNEE, 1.1, 9.0))
        return _cut("helper-tights", (ANKLE - 0.05, WAIST, 0.3))

    def shoes(self, name: str, socks: bool) -> Garment:
        return _cut("helper-tights", (-1.0, ANKLE + 0.1 * socks, 9.0))

    def hair(self, name: str) -> list[Garment]:
        return [_scalp(), _long_hair()] if name.startswith(("long", "bob", "braid", "ponytail")) else [_scalp()]

    def lashes(self) -> Garment:
        groups = [name for name in body_model().mesh[1] if "eyelashes" in name]
        return body_part(np.concatenate([body_model().quads(group) for group in groups]))

    def brows(self, name: str) -> list[Garment]:
        return []


Wardrobe: TypeAlias = FolderWardrobe | HelperWardrobe


@cache
def _large_pieces(garment: Garment) -> list[np.ndarray]:
    """Which vertices are of each connected piece, (n,) bool; the one that reaches farthest down is the last."""
    height = garment.places()[:, 2]
    pairs = np.concatenate([garment.faces[:, [0, side]] for side in (1, 2, 3)])
    _, label = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(height),) * 2))
    large = [label == number for number in np.flatnonzero(np.bincount(label) >= SMALLEST_PIECE)]
    return sorted(large, key=lambda piece: -height[piece].min())


@cache
def _cut(group: str, limits: tuple[float, float, float]) -> Garment:
    """The part of a helper mesh within limits, and what lies close below it."""
    mesh = smooth(body_part(body_model().quads(group)))
    places, body = mesh.places(), body_model().standing[:BODY_END]

    def within(points: np.ndarray) -> np.ndarray:
        return (points[:, 2] > limits[0]) & (points[:, 2] < limits[1]) & (np.abs(points[:, 0]) < limits[2])

    close = cKDTree(places).query(body)[0] < COVERED
    faces = mesh.faces[within(places)[mesh.faces].any(1)]
    return replace(mesh, faces=faces, hidden=np.flatnonzero(close & within(body)), limits=limits)


@cache
def _long_hair() -> Garment:
    """The helper's, without what hangs before the face."""
    hair = smooth(body_part(body_model().quads("helper-hair")))
    depth = hair.places()[:, 1]
    return replace(hair, faces=hair.faces[(depth[hair.faces] > depth.min() + FRINGE).all(1)])


@cache
def _scalp() -> Garment:
    """The skull's skin, a little outside of itself."""
    model = body_model()
    quads, head = model.quads("body"), model.standing
    centre = head[quads].mean(1)
    ears = head[np.unique(quads[centre[:, 2] > EARS]), 1].mean()
    is_behind = centre[:, 1] > ears + 0.005
    hairy = (np.abs(centre[:, 0]) < 0.09) & ((is_behind & (centre[:, 2] > NAPE)) | (centre[:, 2] > HAIRLINE))
    scalp = smooth(body_part(quads[hairy]))
    outward = scalp.places() - (0, ears, EARS)
    outward *= SHORT_HAIR / np.linalg.norm(outward, axis=1, keepdims=True)
    first, second, _ = scalp.scales[0]
    spans = np.abs(model.average.vertices[first] - model.average.vertices[second])
    return replace(scalp, offsets=outward, scales=tuple((first, second, float(span)) for span in spans))
