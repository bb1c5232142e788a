"""A mannequin's body and clothes: the solid shapes around its skeleton, and what is painted on them.

All lengths are in units of a grown person's height.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from .head import head, head_points
from .identity import Garment, Identity
from .shapes import Array, Capsule, Ellipsoid, Keep, Paint, Part, Surface, Tube
from .skeleton import HIP_OFFSET, SIDES, Limb, Skeleton, Vector, frame_along
from .textures import fabric, layered, neckline, plain

# Half-widths of the body without arms, down from the neck to the hips: (down, half-width).
TORSO_PROFILE = ((-0.042, 0.034), (-0.014, 0.088), (0.085, 0.100), (0.195, 0.082), (0.300, 0.101))
WAIST, WAIST_WIDTH = 0.205, 0.084
# Depth over width of trunk, skirt and jacket.
TORSO_RATIO, SKIRT_RATIO, JACKET_RATIO = 0.68, 0.74, 0.76
TORSO_GIRTH = 0.085

# Radii at shoulder, elbow, wrist; hip, knee, ankle.
ARM_RADII = (0.032, 0.027, 0.021)
LEG_RADII = (0.047, 0.039, 0.025)

# How far cloth is from skin: close, loose and over other clothes.
CLOSE, LOOSE, OVER = 0.005, 0.008, 0.011

Profile = list[tuple[float, float]]


def dress_skeleton(identity: Identity, skeleton: Skeleton) -> list[Part]:
    """All parts of this person on this skeleton."""
    return [
        *head(identity, skeleton),
        *_torso(identity, skeleton),
        *_arms(identity, skeleton),
        *_legs(identity, skeleton),
    ]


def key_points(identity: Identity, skeleton: Skeleton) -> Vector:
    """(18, 3): the OpenPose COCO points in space; those of the face just below the surface."""
    nose, *eyes_and_ears = head_points(identity, skeleton)
    limbs = (skeleton.limbs["right arm"], skeleton.limbs["left arm"], *skeleton.legs)
    return np.stack([nose, skeleton.neck, *(joint for limb in limbs for joint in limb.joints), *eyes_and_ears])


def _torso(identity: Identity, skeleton: Skeleton) -> Iterator[Part]:
    top, lower = identity.top, identity.lower
    profile = _profile(identity)
    cloth = neckline(identity.skin, fabric(top.texture, "torso"), top.neckline)
    if lower.skirted:
        # The skirt is put on at the waist.
        down, width = profile[-2]
        yield from _trunk(skeleton, [*profile[:-1], (down + 0.03, width)], TORSO_RATIO, cloth)
        yield from _skirt(identity, skeleton, profile)
    else:
        hips = _further_down(fabric(lower.texture, "hips"), -skeleton.torso_length)
        if identity.tucked:
            yield from _trunk(
                skeleton, profile, TORSO_RATIO, layered(cloth, hips, WAIST * identity.proportions.stature)
            )
        else:
            yield from _trunk(skeleton, _wider(profile, LOOSE), TORSO_RATIO, cloth)
        width = 0.97 * profile[-1][1]
        yield _hip_joint(skeleton, (width, 0.062, width * TORSO_RATIO), hips)
    if identity.jacket is not None:
        *upper, (down, width) = _wider(profile, OVER)
        longer = [*upper, (down, width + 0.012), (down + 0.02 + 0.1 * identity.jacket.hem, width + 0.018)]
        yield from _trunk(skeleton, longer, JACKET_RATIO, fabric(identity.jacket.texture, "torso"), _open_in_front)


def _profile(identity: Identity) -> Profile:
    """`TORSO_PROFILE` for this body, ending a little below the hips, around the legs' upper ends."""
    body = identity.proportions
    factors = (1.0, body.shoulders, (1 + body.shoulders) / 2, body.waist, body.hips)
    *upper, (down, width) = (
        (down * body.stature, width * factor) for (down, width), factor in zip(TORSO_PROFILE, factors, strict=True)
    )
    legs = HIP_OFFSET * body.hips + LEG_RADII[0] * body.limbs + 3 * CLOSE
    return [*upper, (down + 0.014, max(width, legs))]


def _wider(profile: Profile, distance: float) -> Profile:
    return [(down, width + distance) for down, width in profile]


def _trunk(
    skeleton: Skeleton, profile: Profile, ratio: float, paint: Paint, keep: Keep | None = None
) -> Iterator[Part]:
    """Tubes joined end to end, fixed to the shoulders."""
    for (down, width), (next_down, next_width) in pairwise(profile):
        start = skeleton.neck + skeleton.torso @ np.array([0.0, down, 0.0])
        tube = Tube(start, next_down - down, width, next_width, ratio, ratio, skeleton.torso, down, TORSO_GIRTH, keep)
        yield Part("torso", tube, paint)


def _open_in_front(left: Array, down: Array, back: Array) -> Array:
    """A jacket's gap, which widens downwards."""
    return (back > 0) | (np.abs(left) > 0.020 + 0.09 * np.maximum(down, 0))


def _hip_joint(skeleton: Skeleton, radii: tuple[float, float, float], paint: Paint) -> Part:
    """What closes the body between trunk and legs, painted in the trunk's coordinates."""

    def paint_as_trunk(surface: Surface) -> Array:
        left, down, back = surface.left * radii[0], surface.down * radii[1], surface.back * radii[2]
        return paint(Surface(surface.lit, left, down + skeleton.torso_length, back, TORSO_GIRTH))

    return Part("torso", Ellipsoid(np.zeros(3), radii, skeleton.pelvis), paint_as_trunk)


def _skirt(identity: Identity, skeleton: Skeleton, profile: Profile) -> Iterator[Part]:
    """A skirt, or a dress from the waist down: a tube to the hips and one around both legs."""
    body, garment = identity.proportions, identity.lower
    paint = fabric(garment.texture, "skirt")
    waist, hip = WAIST * body.stature, skeleton.torso_length
    hip_width = profile[-1][1] + CLOSE
    upper = Tube(
        start=skeleton.pelvis @ np.array([0.0, waist - hip, 0.0]),
        length=hip - waist,
        width_start=WAIST_WIDTH * body.waist + CLOSE,
        width_end=hip_width,
        ratio_start=SKIRT_RATIO,
        ratio_end=SKIRT_RATIO,
        frame=skeleton.pelvis,
        down_start=waist,
        girth=TORSO_GIRTH,
    )
    yield Part("skirt", upper, paint)
    yield _hip_joint(skeleton, (hip_width, hip_width * SKIRT_RATIO, hip_width * SKIRT_RATIO), paint)
    hem = _skirt_hem(garment, skeleton)
    right, left = (_along(leg, hem) for leg in skeleton.legs)
    middle = (right + left) / 2
    frame = frame_along(middle, skeleton.pelvis)
    # The hem goes around both legs, and hangs closer to a bent one.
    legs = np.abs((left - right) @ frame) / 2 + np.interp(hem, (0, 1, 2), LEG_RADII) * body.limbs + CLOSE
    width = max(hip_width + garment.width * (1 - _bend(skeleton)), float(legs[0]))
    lower = Tube(
        start=np.zeros(3),
        length=float(np.linalg.norm(middle)),
        width_start=hip_width,
        width_end=width,
        ratio_start=SKIRT_RATIO,
        ratio_end=max(SKIRT_RATIO, float(legs[2]) / width),
        frame=frame,
        down_start=hip,
        girth=TORSO_GIRTH,
    )
    yield Part("skirt", lower, paint)


def _skirt_hem(garment: Garment, skeleton: Skeleton) -> float:
    """How far down the legs a skirt goes, in segments: no further than the knee if that is bent much."""
    return min(garment.hem, 1.0) if _bend(skeleton) > 0.3 else garment.hem


def _bend(skeleton: Skeleton) -> float:
    """Of the knee that is bent more: 0 stretched, 1 at a right angle."""
    shins = (leg.frames[1][:, 1] @ leg.frames[0][:, 1] for leg in skeleton.legs)
    return 1 - float(min(shins))


def _along(limb: Limb, segments: float) -> Vector:
    """The point this many segments down a limb."""
    first, middle, last = limb.joints
    return first + (middle - first) * min(segments, 1.0) + (last - middle) * max(segments - 1.0, 0.0)


def _arms(identity: Identity, skeleton: Skeleton) -> Iterator[Part]:
    outer = identity.top if identity.jacket is None else identity.jacket
    distance = CLOSE if identity.jacket is None else OVER
    skin = plain(identity.skin)
    for side, sign in SIDES:
        group = f"{side} arm"
        limb = skeleton.limbs[group]
        sleeve = fabric(outer.texture, "sleeve", sign)
        radii = _scaled(ARM_RADII, identity.proportions.limbs)
        yield from _limb(group, limb, radii, skin, sleeve, outer.sleeve, distance, outer.cuff)
        hand = limb.joints[2] + limb.frames[2] @ np.array([0.0, 0.026, 0.0])
        yield Part(group, Ellipsoid(hand, (0.016, 0.036, 0.023), limb.frames[2]), skin)


def _legs(identity: Identity, skeleton: Skeleton) -> Iterator[Part]:
    garment = identity.lower
    skin, shoe = plain(identity.skin), plain(identity.shoes)
    for side, _ in SIDES:
        group = f"{side} leg"
        limb = skeleton.limbs[group]
        radii = _scaled(LEG_RADII, identity.proportions.limbs)
        if garment.skirted:
            # Where a leg is raised out of the skirt's tube, the cloth lies on the leg (not quite to the hem).
            hem = _skirt_hem(garment, skeleton) - 0.08
            cloth = _further_down(fabric(garment.texture, "skirt"), skeleton.torso_length)
            yield from _limb(group, limb, radii, skin, cloth, hem, CLOSE / 2, 0.0)
        else:
            cloth = fabric(garment.texture, "leg")
            yield from _limb(group, limb, radii, skin, cloth, garment.hem, CLOSE, garment.width)
        for offset, size in (
            ((0.0, 0.022, -0.028), (0.027, 0.024, 0.066)),
            ((0.0, 0.010, 0.006), (0.028, 0.034, 0.030)),
        ):
            center = limb.joints[2] + limb.frames[2] @ np.array(offset)
            yield Part(group, Ellipsoid(center, size, limb.frames[2]), shoe)


def _scaled(radii: tuple[float, ...], factor: float) -> list[float]:
    return [radius * factor for radius in radii]


def _limb(
    group: str,
    limb: Limb,
    radii: list[float],
    skin: Paint,
    cloth: Paint,
    covered: float,
    distance: float,
    flare: float,
) -> Iterator[Part]:
    """Two tapered segments: skin, and cloth over the first `covered` segments (0 to 2), `flare` wider at its end."""
    for index in range(2):
        ends = limb.joints[index], limb.joints[index + 1]
        share = covered - index
        if share < 1:
            yield Part(group, Capsule(*ends, radii[index], radii[index + 1], limb.frames[index]), skin)
        if share > 0:
            width, next_width = (radii[end] + distance + flare * min(1.0, end / covered) for end in (index, index + 1))
            length = float(np.linalg.norm(ends[1] - ends[0]))
            kept = share * length if share < 1 else np.inf
            sleeve = Capsule(*ends, width, next_width, limb.frames[index], kept)
            yield Part(group, sleeve, _further_down(cloth, index * length))


def _further_down(paint: Paint, distance: float) -> Paint:
    """Paint that starts `distance` above the shape, as on the second segment of a limb."""
    return lambda surface: paint(replace(surface, down=surface.down + np.float32(distance)))
