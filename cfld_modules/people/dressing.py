"""All surfaces of a person: body, eyes, brows, hair and clothes, and how the shader is to show each."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from scipy.sparse import csr_matrix

from .bodies import Shape, body_model
from .garments import Garment, body_part
from .identities import Cloth, Identity
from .wardrobes import SKIRTS, Wardrobe

SKIN, EYE, HAIR, CLOTH, LEATHER = range(5)
LEG = 0.12  # how far from the middle the average body's legs are, in metres
OVER_TROUSERS = 0.008  # metres that a top lies outside of its points, so that trousers do not poke through
BARE_SHIN = 0.25  # a bottom that ends above this height shows the socks
LASHES = np.array([0.03, 0.02, 0.02])


@dataclass(frozen=True)
class Surface:
    """A mesh on one body at rest.

    Attributes:
        points: (n, 3); bone_weights: (n, bones); triangles: (m, 3).
        places: (n, 4), what the shader knows of each point: where it is on the average body, and a mask.
        uniforms: the shader's other inputs; arrays are colours in sRGB.
        thickness: how far it lies outside of its points, in metres.
    """

    points: np.ndarray
    bone_weights: csr_matrix
    triangles: np.ndarray
    places: np.ndarray
    uniforms: dict[str, Any]
    thickness: float = 0.0


def dress(identity: Identity, shape: Shape, wardrobe: Wardrobe) -> list[Surface]:
    """The person of this shape."""
    clothes = [(cloth, wardrobe.suit(cloth.suit, cloth.half)) for cloth in identity.clothes]
    trousers, legs = clothes[-1]
    socks = max(trousers.hem, legs.places()[legs.faces, 2].min(), legs.limits[0]) > BARE_SHIN
    shoes = wardrobe.shoes(identity.shoes, socks)
    height = body_model().standing[:, 2]
    covered_vertices = [garment.hidden[height[garment.hidden] > cloth.hem + 0.01] for cloth, garment in clothes]
    hairs = [(hair, identity.hair_color) for hair in wardrobe.hair(identity.hair)]
    hairs.append((wardrobe.lashes(), LASHES))
    hairs += [(brows, 0.55 * identity.hair_color + 0.45 * identity.skin) for brows in wardrobe.brows(identity.brows)]
    leather = {"material": LEATHER, "first": identity.shoe_color, "second": identity.sole_color}
    return [
        _body(identity, shape, np.concatenate([*covered_vertices, shoes.hidden])),
        *(_eye(identity, shape, side) for side in "lr"),
        *(_surface(hair, shape, {"material": HAIR, "first": color}) for hair, color in hairs),
        _surface(shoes, shape, leather),
        *(_cloth(cloth, garment, shape) for cloth, garment in clothes),
    ]


def _surface(garment: Garment, shape: Shape, uniforms: dict[str, Any], mask: np.ndarray | float = 0.0) -> Surface:
    points, quads = garment.points(shape), garment.faces
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    triangles = triangles[triangles[:, 1] != triangles[:, 2]]
    places = np.column_stack([garment.places(), np.broadcast_to(mask, len(points))])
    limits = dict(zip(("lowest", "highest", "reach"), garment.limits, strict=True))
    return Surface(points, garment.bone_weights(), triangles, places, limits | uniforms)


def _body(identity: Identity, shape: Shape, covered_vertices: np.ndarray) -> Surface:
    coordinates, groups = body_model().mesh
    quads, corners = body_model().quads("body"), groups["body"]["face_texture_coordinate_indices"].numpy()
    hidden = np.zeros(len(shape.vertices), bool)
    hidden[covered_vertices] = True
    visible_quads = quads[~hidden[quads].all(1)]
    lips = np.array(Image.open(body_model().data / "textures" / "mpfb_lips.jpg").convert("L"), np.float32) / 255
    pixels = np.clip((coordinates[corners.ravel()] * lips.shape[::-1]).astype(int), 0, np.array(lips.shape[::-1]) - 1)
    mask = np.zeros(len(shape.vertices))
    mask[quads.ravel()] = lips[::-1][pixels[:, 1], pixels[:, 0]]
    uniforms = {"material": SKIN, "first": identity.skin, "second": identity.lips}
    return _surface(body_part(visible_quads), shape, uniforms, mask[np.unique(visible_quads)])


def _eye(identity: Identity, shape: Shape, side: str) -> Surface:
    eye = body_part(body_model().quads(f"helper-{side}-eye"))
    surface = _surface(eye, shape, {"material": EYE, "second": identity.iris})
    places = surface.places - np.append((surface.places.max(0) + surface.places.min(0))[:3] / 2, 0)
    return replace(surface, places=places)


def _cloth(cloth: Cloth, garment: Garment, shape: Shape) -> Surface:
    trousers = cloth.half == "bottom" and cloth.suit not in SKIRTS
    uniforms = {
        "material": CLOTH, "kind": cloth.kind, "first": cloth.first, "second": cloth.second, "scale": cloth.scale,
        "axis": (LEG if trousers else 0.0, float(garment.places()[:, 1].mean())),
        "lowest": max(cloth.hem, garment.limits[0]), "print_form": cloth.print_form, "print_height": cloth.print_height,
        "folds": 1.0, "seed": 10 * cloth.scale,
    }
    return replace(_surface(garment, shape, uniforms), thickness=OVER_TROUSERS if cloth.half == "top" else 0.0)
