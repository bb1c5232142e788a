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
from .body_parts import HEAD, NEIGHBOURS, PARTS, TRUNK, body_parts
from .cylinders import NOBODY, Cylinders, Surface, cylinders, seen_surface
from .lifting import SpatialPose

STEEPEST = np.radians(72)  # how far a spot of the photo's surface may be turned from its viewer
PROBES = 24  # along an axis
NARROWEST, WIDEST = 0.6, 1.8  # of clothes, times a body's width
# Where across a part its colours are looked up for the side that the photo does not show: prints are in the middle.
PROFILE_ACROSS = torch.tensor([-0.85, -0.75, -0.65, -0.55, 0.55, 0.65, 0.75, 0.85])
HAIR = 1.3, 2.1  # where above the head's axis hair is looked for, in lengths of it
FINEST_OWNERS = 256  # pixels of the long side
# Of a part (row), through which parts' outlines it may reach, those numbers after NOBODY.
ALLOWED = torch.zeros(PARTS, PARTS + 1, dtype=torch.bool)
for _number, _neighbours in enumerate(NEIGHBOURS):
    ALLOWED[_number, [part + 1 for part in (NOBODY, *_neighbours)]] = True


@dataclass(frozen=True, eq=False)
class Warped:
    """image: (h, w, 3) in [0, 1]; covered, person: (h, w) bool, what the photo shows, and where the person is."""

    image: torch.Tensor
    covered: torch.Tensor
    person: torch.Tensor


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

    def shows(self, number: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Whether it shows the part, or what that is joined to, at pixels x, y."""
        return self.is_person(x, y) & ALLOWED[number, self.owner(x, y) + 1]


def warp_person(
    photo: torch.Tensor, source: SpatialPose, target: SpatialPose, mask: torch.Tensor | None = None
) -> Warped:
    """Move the person of a photo (H, W, 3) in [0, 1], who stands there as `source`, into `target`, on its canvas.

    mask: (H, W) in [0, 1], where the person is in the photo, which also says how wide clothes are; without it all that
        a part covers counts as person.
    What is not covered has the colours that its part has at that height, or its nearest neighbour, and around the
    person those of the photo's border.

    Raises PoseError where one of the two has no trunk, from which the rest is measured.
    """
    there, here = (cylinders(body_parts(pose)) for pose in (source, target))
    for name, body in (("source", there), ("target", here)):
        if not body.known[TRUNK]:
            raise PoseError(f"the {name} pose has no trunk: neck or both shoulders, and both hips, are needed")
    pixels = photo.permute(2, 0, 1)[None].contiguous()
    seen = Photo(pixels, None if mask is None else mask > 0.5, *_owners(photo, there))
    if mask is not None:
        there = _as_wide_as_clothes(seen, there)
        seen = replace(seen, owners=_owners(photo, there)[0])
    growth = here.length[TRUNK] / there.length[TRUNK]
    here = here.with_widths(there.half_width * growth, there.half_depth * growth)
    owners, surface = seen_surface(here, target.height, target.width)
    surface = surface.where(there.known[surface.number])
    x, y, faces_viewer = _in_photo(there, surface)
    shown = faces_viewer & seen.shows(surface.number, x, y)
    colours = _at_share(_profiles(seen, there), surface.number, surface.share)
    colours[shown] = seen.at(x[shown], y[shown])
    image, covered = photo.new_zeros(owners.numel(), 3), torch.zeros(owners.numel(), dtype=torch.bool)
    image[surface.pixels], covered[surface.pixels] = colours, shown
    person = owners != NOBODY
    known = person & there.known[owners.clamp(min=0)]
    wall = torch.cat([photo[0], photo[:, 0], photo[:, -1]]).median(dim=0).values
    filled = _filled(image.unflatten(0, owners.shape), known, person, wall)
    return Warped(filled, covered.view(owners.shape), person)


def feathered_inwards(mask: torch.Tensor, feather: int) -> torch.Tensor:
    """(h, w) in [0, 1], soft within so many pixels of its edge, and 0 where it was."""
    return torch.minimum(mask, torch.from_numpy(gaussian_filter(mask.numpy(), feather / 2)))


def _owners(photo: torch.Tensor, body: Cylinders) -> tuple[torch.Tensor, float]:
    """Which part a photo (H, W, 3) shows, coarsely, or NOBODY; and at which scale of its pixels."""
    scale = min(1.0, FINEST_OWNERS / max(photo.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    return seen_surface(body.scaled(scale), height, width)[0], scale


def _in_photo(body: Cylinders, surface: Surface) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x and y of spots of the surface in pixels of the photo, and whether they face its viewer."""
    number = surface.number
    radius, _, lean = body.cross_section(number, surface.share)
    turned = torch.remainder(surface.angle + lean + torch.pi, 2 * torch.pi) - torch.pi
    across = radius * (1 - surface.beyond.square()).sqrt() * turned.sin()
    share = surface.share + surface.beyond * body.cap[number] * radius / body.length_in_picture[number]
    return *body.beside(number, share, across), turned.abs() < STEEPEST


def _as_wide_as_clothes(photo: Photo, body: Cylinders) -> Cylinders:
    """With the widths that the photo's mask has beside each axis, where no other part is beside it."""
    number, share = torch.arange(PARTS)[:, None, None], torch.linspace(0.05, 0.95, PROBES)[:, None]
    radius, _, _ = body.cross_section(number, share)
    reach = torch.linspace(0, WIDEST, 2 * PROBES)
    ratios = []
    for side in (-1, 1):
        x, y = body.beside(number, share, side * reach * radius)
        steps = photo.shows(number, x, y).long().cumprod(dim=-1).sum(dim=-1, keepdim=True)
        last = steps.clamp(max=len(reach) - 1)
        ends_at_mask = (steps > 0) & ~photo.is_person(x, y).gather(-1, last)
        ratios.append(torch.where(ends_at_mask, reach[last], torch.nan))
    halves = torch.cat(ratios, dim=-1).nanmean(dim=-1).unflatten(1, (2, -1)).nanmedian(dim=-1).values
    scale = halves.clamp(NARROWEST, WIDEST).nan_to_num(1.0)
    return body.with_widths(body.half_width * scale, body.half_depth * scale)


def _profiles(photo: Photo, body: Cylinders) -> torch.Tensor:
    """(P, PROBES, 3) median colour of what the photo shows of a part at shares of its axis, else the nearest, or grey.

    Of a head it is the hair's, not the face's.
    """
    number = torch.arange(PARTS)[:, None, None]
    share, across = torch.linspace(0, 1, PROBES).repeat(PARTS, 1), PROFILE_ACROSS.repeat(PARTS, 1)
    share[HEAD], across[HEAD] = torch.linspace(*HAIR, PROBES), PROFILE_ACROSS / 2
    share, across = share[:, :, None], across[:, None]
    radius, _, _ = body.cross_section(number, share.clamp(0, 1))
    x, y = body.beside(number, share, across * radius)
    is_own = photo.is_person(x, y) & (photo.owner(x, y) == number)
    colours = torch.where(is_own[..., None], photo.at(x, y), torch.nan).nanmedian(dim=2).values
    colours[HEAD] = colours[HEAD].nanmedian(dim=0).values
    unknown = colours.isnan().any(dim=-1)
    probes = torch.arange(PROBES)
    distances = (probes[:, None] - probes).abs() + PROBES * unknown[:, None]
    nearest = distances.argmin(dim=-1)
    return colours.gather(1, nearest[..., None].expand(-1, -1, 3)).nan_to_num(0.5)


def _at_share(profiles: torch.Tensor, number: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """(P, PROBES, 3) at parts (N,) and shares (N,) from 0 to 1 -> (N, 3)."""
    place = share * (PROBES - 1)
    below = place.long().clamp(max=PROBES - 2)
    return torch.lerp(profiles[number, below], profiles[number, below + 1], (place - below)[:, None])


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


def _pixel(place: torch.Tensor, size: int) -> torch.Tensor:
    return place.round().long().clamp(0, size - 1)
