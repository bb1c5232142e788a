"""A mannequin's head: face, ears, neck, hair, and its key points."""

from collections.abc import Iterator

import numpy as np

from .identity import Identity
from .shapes import Array, Capsule, Ellipsoid, Keep, Part
from .skeleton import Skeleton, Vector, frame_along
from .textures import EYE, NOSE_DOWN, face, plain

# In units of a grown person's height, to the left, down and back.
HEAD_RADII = (0.056, 0.078, 0.066)
EAR_RADII = (0.010, 0.019, 0.013)
EAR_DOWN = 0.12
NOSE_RADII = (0.009, 0.012, 0.013)
# Key points of the face lie this share of the radii from the centre, so that they are on the person in a profile, too.
POINTS_DEPTH = 0.93

Triple = tuple[float, float, float]


def head(identity: Identity, skeleton: Skeleton) -> Iterator[Part]:
    """Everything above the torso."""
    radii = _radii(identity)
    yield Part("head", Ellipsoid(skeleton.head_center, radii, skeleton.head), face(identity.skin, identity.hair))
    for sign in (-1, 1):
        ear = skeleton.head_center + skeleton.head @ np.array([sign * radii[0], EAR_DOWN * radii[1], 0.0])
        yield Part("head", Ellipsoid(ear, EAR_RADII, skeleton.head), plain(identity.skin))
    nose = skeleton.head_center + skeleton.head @ (np.array([0.0, NOSE_DOWN, -0.97]) * radii)
    yield Part("head", Ellipsoid(nose, NOSE_RADII, skeleton.head), plain(identity.skin))
    throat = skeleton.neck + skeleton.torso @ np.array([0.0, 0.02, 0.0])
    frame = frame_along(skeleton.head_center - throat, skeleton.torso)
    yield Part("torso", Capsule(throat, skeleton.head_center, 0.034, 0.032, frame), plain(identity.skin))
    yield from _hair(identity, skeleton)


def head_points(identity: Identity, skeleton: Skeleton) -> Vector:
    """(5, 3): nose, right eye, left eye, right ear, left ear, a little below the head's surface."""
    places = np.array([(0, NOSE_DOWN), (-EYE[0], EYE[1]), EYE, (-0.97, EAR_DOWN), (0.97, EAR_DOWN)])
    front = -np.sqrt(1 - (places**2).sum(axis=1, keepdims=True))
    return skeleton.head_center + POINTS_DEPTH * np.hstack([places, front]) * _radii(identity) @ skeleton.head.T


def _radii(identity: Identity) -> Triple:
    width, height, depth = (radius * identity.proportions.head for radius in HEAD_RADII)
    return width, height, depth


def _hair(identity: Identity, skeleton: Skeleton) -> Iterator[Part]:
    """A shell around the head with an opening for the face, and what hangs or stands out from it."""
    frame, center, radii = skeleton.head, skeleton.head_center, np.array(_radii(identity))
    paint = plain(identity.hair)

    def ellipsoid(offset: Triple, factors: Triple, keep: Keep | None = None) -> Part:
        width, height, depth = (radii * factors).tolist()
        return Part("hair", Ellipsoid(center + frame @ (radii * offset), (width, height, depth), frame, keep), paint)

    def shell(thickness: float) -> Part:
        # In front it ends at the forehead: an edge in the air would look like a visor.
        return ellipsoid((0, 0, thickness - 1), (thickness, thickness, thickness), _cropped)

    match identity.hair_style:
        case "cropped":
            yield shell(1.06)
        case "short":
            yield shell(1.15)
        case "bob":
            yield ellipsoid((0, 0.12, 0.12), (1.24, 1.19, 1.19), _open_for_the_face)
        case "long":
            yield ellipsoid((0, 0.03, 0.08), (1.17, 1.14, 1.16), _open_for_the_face)
            yield ellipsoid((0, 1.15, 0.66), (1.12, 1.35, 0.60))
        case "bun":
            yield shell(1.10)
            yield ellipsoid((0, -1.0, 0.55), (0.55, 0.40, 0.48))
        case "ponytail":
            yield shell(1.10)
            root, tip = (center + frame @ (radii * offset) for offset in ((0, -0.35, 1.2), (0, 1.55, 1.4)))
            yield Part("hair", Capsule(root, tip, 0.026, 0.014, frame_along(tip - root, frame)), paint)
        case "curls":
            yield ellipsoid((0, -0.16, 0.20), (1.42, 1.26, 1.32), _open_for_the_face)


def _open_for_the_face(left: Array, down: Array, back: Array) -> Array:
    return (back > -0.05) | ((left / 0.83) ** 2 + ((down - 0.32) / 0.80) ** 2 > 1)


def _cropped(left: Array, down: Array, back: Array) -> Array:
    return _open_for_the_face(left, down, back) & (down < 0.05 + 0.42 * back)
