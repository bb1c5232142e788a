"""What a photo shows of a person, moved into another pose: texture and face as they are, holes where it shows nothing.

Both poses are cylinders (`body_parts`). A pixel of the new picture lies on the surface of the nearest of them, at a
share of its length and an angle about its axis; the same spot of the surface is looked up in the photo. It counts as
covered where the photo sees that spot, neither turned away nor behind another part.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from scipy.ndimage import gaussian_filter

from ..errors import PoseError
from .body_parts import HEAD, NEIGHBOURS, PARTS, TRUNK, Part, body_parts
from .lifting import SpatialPose

STEEPEST = np.radians(72)  # how far a spot of the photo's surface may be turned from its viewer
NOBODY = -1
PROBES = 24  # along an axis
NARROWEST, WIDEST = 0.6, 1.8  # of clothes, times a body's width
# Where across a part its colours are looked up for the side that the photo does not show: prints are in the middle.
PROFILE_ACROSS = torch.tensor([-0.85, -0.75, -0.65, -0.55, 0.55, 0.65, 0.75, 0.85])
HAIR = 1.3, 2.1  # where above the head's axis hair is looked for, in lengths of it
FINEST_OWNERS = 256  # pixels of the long side


@dataclass(frozen=True, eq=False)
class Warped:
    """image: (h, w, 3) in [0, 1]; covered, person: (h, w) bool, what the photo shows, and where the person is."""

    image: torch.Tensor
    covered: torch.Tensor
    person: torch.Tensor


@dataclass(frozen=True, eq=False)
class Surface:
    """What a picture of `width` columns sees of a part, in N pixels.

    pixels: (N,) int64, row by row.
    share: (N,) along the axis, from 0 to 1; beyond: how far they lie in the rounding before 0 or after 1, from -1 to 1.
    angle: about the axis from the part's front, in radians; depth: away from the viewer.
    """

    pixels: torch.Tensor
    share: torch.Tensor
    beyond: torch.Tensor
    angle: torch.Tensor
    depth: torch.Tensor

    def __getitem__(self, chosen: torch.Tensor) -> "Surface":
        return Surface(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Photo:
    """pixels: (1, 3, H, W); mask: (H, W) bool, or None; owners: the part that it shows, at `scale` of its pixels."""

    pixels: torch.Tensor
    mask: torch.Tensor | None
    owners: torch.Tensor
    scale: float

    def at(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Colours (..., 3) at pixels x, y (...), bilinear; the border goes on outside."""
        height, width = self.pixels.shape[-2:]
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1).reshape(1, 1, -1, 2)
        sampled = functional.grid_sample(self.pixels, grid, padding_mode="border", align_corners=False)
        return sampled[0, :, 0].T.reshape(*x.shape, 3)

    def owner(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The part that is seen at pixels x, y, or NOBODY."""
        height, width = self.owners.shape
        return self.owners[_pixel(y * self.scale, height), _pixel(x * self.scale, width)]

    def is_person(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Whether pixels x, y are in the photo, and of the person."""
        height, width = self.pixels.shape[-2:]
        inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        return inside if self.mask is None else inside & self.mask[_pixel(y, height), _pixel(x, width)]

    def shows(self, number: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Whether it shows the part, or what that is joined to, at pixels x, y."""
        allowed = torch.zeros(PARTS + 1, dtype=torch.bool)
        allowed[[part + 1 for part in (NOBODY, *NEIGHBOURS[number])]] = True
        return self.is_person(x, y) & allowed[self.owner(x, y) + 1]


def warp_person(
    photo: torch.Tensor, source: SpatialPose, target: SpatialPose, mask: torch.Tensor | None = None
) -> Warped:
    """Move the person of a photo (H, W, 3) in [0, 1], who stands there as `source`, into `target`, on its canvas.

    mask: (H, W) in [0, 1], where the person is in the photo, which also says how wide clothes are; without it all that
        a part covers counts as person.
    What is not covered has the colours that its part has at that height, or its nearest neighbour, and around the
    person those of the photo's border.

    Raises:
        PoseError: where one of the two has no trunk, from which the rest is measured.
    """
    there, here = body_parts(source), body_parts(target)
    for name, parts in (("source", there), ("target", here)):
        if parts[TRUNK] is None:
            raise PoseError(f"the {name} pose has no trunk: neck or both shoulders, and both hips, are needed")
    seen = _photo_of(photo, mask, there)
    if mask is not None:
        there = [part and _as_wide_as_clothes(seen, number, part) for number, part in enumerate(there)]
        seen = replace(seen, owners=_owners(photo, there))
    growth = _length(here[TRUNK]) / _length(there[TRUNK])
    here = [_with_widths(new, old, growth) for old, new in zip(there, here, strict=True)]
    owners, surfaces = _drawn(here, target.height, target.width)
    image, covered = photo.new_zeros(owners.numel(), 3), torch.zeros(owners.numel(), dtype=torch.bool)
    for number, (part, surface) in enumerate(zip(there, surfaces, strict=True)):
        if part is None or surface is None:
            continue
        surface = surface[owners.flatten()[surface.pixels] == number]
        x, y, faces_viewer = _in_photo(part, surface)
        shown = faces_viewer & seen.shows(number, x, y)
        profile = _at_share(_profile(seen, number, part), surface.share)
        image[surface.pixels] = torch.where(shown[:, None], seen.at(x, y), profile)
        covered[surface.pixels] = shown
    unknown = [NOBODY] + [number for number, part in enumerate(there) if part is None]
    known, person = ~torch.isin(owners, torch.tensor(unknown)), owners != NOBODY
    filled = _filled(image.unflatten(0, owners.shape), known, person, _wall(photo))
    return Warped(filled, covered.view(owners.shape), person)


def feathered_inwards(mask: torch.Tensor, feather: int) -> torch.Tensor:
    """(h, w) in [0, 1], soft within so many pixels of its edge, and 0 where it was."""
    return torch.minimum(mask, torch.from_numpy(gaussian_filter(mask.numpy(), feather / 2)))


def _photo_of(photo: torch.Tensor, mask: torch.Tensor | None, parts: list[Part | None]) -> Photo:
    pixels = photo.permute(2, 0, 1)[None].contiguous()
    return Photo(pixels, None if mask is None else mask > 0.5, _owners(photo, parts), _owners_scale(photo))


def _owners_scale(photo: torch.Tensor) -> float:
    return min(1.0, FINEST_OWNERS / max(photo.shape[:2]))


def _owners(photo: torch.Tensor, parts: list[Part | None]) -> torch.Tensor:
    """Which part a photo (H, W, 3) shows, coarsely, or NOBODY."""
    scale = _owners_scale(photo)
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    return _drawn([part and _scaled(part, scale) for part in parts], height, width)[0]


def _drawn(parts: list[Part | None], height: int, width: int) -> tuple[torch.Tensor, list[Surface | None]]:
    """(height, width) int64, the number of the part in front, or NOBODY; and each part's surface."""
    depth, owners = torch.full((height * width,), torch.inf), torch.full((height * width,), NOBODY)
    surfaces = [None if part is None else _surface(part, height, width) for part in parts]
    for number, surface in enumerate(surfaces):
        if surface is not None:
            in_front = surface.depth < depth[surface.pixels]
            depth[surface.pixels[in_front]] = surface.depth[in_front]
            owners[surface.pixels[in_front]] = number
    return owners.view(height, width), surfaces


def _surface(part: Part, height: int, width: int) -> Surface | None:
    """None where the part lies outside."""
    start, end = torch.from_numpy(part.axis).float()
    widest = float(max(part.half_width.max(), part.half_depth.max()))
    reach = widest * (1 + part.cap)
    low, high = torch.minimum(start, end)[:2] - reach, torch.maximum(start, end)[:2] + reach
    left, right = max(int(low[0]), 0), min(int(high[0]) + 1, width)
    top, bottom = max(int(low[1]), 0), min(int(high[1]) + 1, height)
    if left >= right or top >= bottom:
        return None
    along = end - start
    length = along[:2].norm()
    unit = along[:2] / length
    x, y = torch.arange(left, right) - start[0], (torch.arange(top, bottom) - start[1])[:, None]
    across, share = x * unit[1] - y * unit[0], (x * unit[0] + y * unit[1]) / length
    near = (across.abs() < widest) & ((share - 0.5).abs() * length < length / 2 + widest)
    row, column = near.nonzero(as_tuple=True)
    across, anywhere = across[row, column], share[row, column]
    share = anywhere.clamp(0, 1)
    radius, thickness, lean = _cross_section(part, share)
    beyond = (anywhere - share) * length / (part.cap * radius)
    sine = across / (radius * (1 - beyond.square()).clamp(min=0).sqrt())
    depth = start[2] + share * along[2] - thickness * (1 - sine.square()).clamp(min=0).sqrt()
    surface = Surface((row + top) * width + column + left, share, beyond, sine.asin() - lean, depth)
    return surface[(sine.abs() < 1) & (beyond.abs() < 1)]


def _in_photo(part: Part, surface: Surface) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x and y of spots of a part's surface in pixels of the photo, and whether they face its viewer."""
    radius, _, lean = _cross_section(part, surface.share)
    turned = torch.remainder(surface.angle + lean + torch.pi, 2 * torch.pi) - torch.pi
    across = radius * (1 - surface.beyond.square()).sqrt() * turned.sin()
    share = surface.share + surface.beyond * part.cap * radius / _length_in_picture(part)
    return *_beside(part, share, across), turned.abs() < STEEPEST


def _cross_section(part: Part, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """At shares of the axis: half the width and half the depth that the viewer sees of the ellipse, and the angle at
    which its front is.
    """
    turn = (part.front[1] - part.front[0] + np.pi) % (2 * np.pi) - np.pi
    front = part.front[0] + share * turn
    width = part.half_width[0] + share * (part.half_width[1] - part.half_width[0])
    depth = part.half_depth[0] + share * (part.half_depth[1] - part.half_depth[0])
    cosine, sine = front.cos(), front.sin()
    radius = torch.hypot(width * cosine, depth * sine)
    return radius, torch.hypot(width * sine, depth * cosine), torch.atan2(depth * sine, width * cosine)


def _beside(part: Part, share: torch.Tensor, across: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x and y at shares of a part's axis, and distances to its side."""
    start, end = torch.from_numpy(part.axis).float()
    along = (end - start)[:2]
    unit = along / along.norm()
    return start[0] + share * along[0] + across * unit[1], start[1] + share * along[1] - across * unit[0]


def _as_wide_as_clothes(photo: Photo, number: int, part: Part) -> Part:
    """The part with the widths that the photo's mask has beside its axis, where no other part is beside it."""
    share = torch.linspace(0.05, 0.95, PROBES)[:, None]
    radius, _, _ = _cross_section(part, share)
    reach = torch.linspace(0, WIDEST, 2 * PROBES)
    ratios = []
    for side in (-1, 1):
        x, y = _beside(part, share, side * reach * radius)
        steps = photo.shows(number, x, y).long().cumprod(dim=1).sum(dim=1, keepdim=True)
        last = steps.clamp(max=len(reach) - 1)
        ends_at_mask = (steps > 0) & ~photo.is_person(x, y).gather(1, last)
        ratios.append(torch.where(ends_at_mask, reach[last], torch.nan))
    halves = [half.nanmedian() for half in torch.cat(ratios, dim=1).nanmean(dim=1).chunk(2)]
    scale = np.array([1.0 if half.isnan() else float(half.clamp(NARROWEST, WIDEST)) for half in halves])
    return replace(part, half_width=part.half_width * scale, half_depth=part.half_depth * scale)


def _profile(photo: Photo, number: int, part: Part) -> torch.Tensor:
    """(PROBES, 3) median colour of what the photo shows of a part, at shares of its axis; NaN where it shows none. Of a
    head it is the hair's, since a face is on one side alone.
    """
    share, across = torch.linspace(0, 1, PROBES)[:, None], PROFILE_ACROSS
    if number == HEAD:
        share, across = torch.linspace(*HAIR, PROBES)[:, None], PROFILE_ACROSS / 2
    radius, _, _ = _cross_section(part, share.clamp(0, 1))
    x, y = _beside(part, share, across * radius)
    own = photo.is_person(x, y) & (photo.owner(x, y) == number)
    colours = torch.where(own[..., None], photo.at(x, y), torch.nan).nanmedian(dim=1).values
    return colours.nanmedian(dim=0).values.expand(PROBES, 3) if number == HEAD else colours


def _at_share(profile: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """(PROBES, 3) at shares (N,) from 0 to 1 -> (N, 3); what is unknown is as the nearest that is known, or grey."""
    known = (~profile.isnan().any(dim=-1)).nonzero()[:, 0]
    if not len(known):
        return profile.new_full((*share.shape, 3), 0.5)
    profile = profile[known[(torch.arange(PROBES)[:, None] - known).abs().argmin(dim=1)]]
    place = share * (PROBES - 1)
    below = place.long()
    return torch.lerp(profile[below], profile[(below + 1).clamp(max=PROBES - 1)], (place - below)[..., None])


def _wall(photo: torch.Tensor) -> torch.Tensor:
    return torch.cat([photo[0], photo[:, 0], photo[:, -1]]).median(dim=0).values


def _filled(image: torch.Tensor, known: torch.Tensor, person: torch.Tensor, wall: torch.Tensor) -> torch.Tensor:
    """Colours from what is known spread to the rest of the person, coarse ones further (push and pull)."""
    if not (person & ~known).any():
        return torch.where(person[..., None], image, wall)
    colours = torch.cat([image * known[..., None], known[..., None].to(image.dtype)], dim=-1).permute(2, 0, 1)[None]
    spread = _pulled(colours)[0].permute(1, 2, 0)
    inside = torch.where(known[..., None], image, spread[..., :3] / spread[..., 3:].clamp(min=1e-6))
    return torch.where(person[..., None] & (spread[..., 3:] > 0), inside, wall)


def _pulled(colours: torch.Tensor) -> torch.Tensor:
    """(1, 4, h, w), colours times weight, and weight: where it is low, what is around at half the resolution."""
    if min(colours.shape[-2:]) < 2:
        return colours
    coarse = _pulled(functional.avg_pool2d(colours, 2, ceil_mode=True))
    wide = functional.interpolate(coarse, colours.shape[-2:], mode="bilinear")
    return colours + (1 - colours[:, 3:].clamp(max=1)) * wide / wide[:, 3:].clamp(min=1)


def _with_widths(target: Part | None, source: Part | None, growth: float) -> Part | None:
    if target is None or source is None:
        return target
    return replace(target, half_width=source.half_width * growth, half_depth=source.half_depth * growth)


def _scaled(part: Part, scale: float) -> Part:
    return replace(
        part, axis=part.axis * scale, half_width=part.half_width * scale, half_depth=part.half_depth * scale
    )


def _length(part: Part | None) -> float:
    assert part is not None
    return float(np.linalg.norm(part.axis[1] - part.axis[0]))


def _length_in_picture(part: Part) -> float:
    return float(np.hypot(*(part.axis[1] - part.axis[0])[:2]))


def _pixel(place: torch.Tensor, size: int) -> torch.Tensor:
    return place.round().long().clamp(0, size - 1)
