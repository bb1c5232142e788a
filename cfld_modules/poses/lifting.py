"""Lifting: from 18 points in a picture, some of them missing, to the person's joints in space.

A small network says how deep each joint lies, and where those are that the picture does not show. What the picture
shows stays exactly where it is. All of it is plain arithmetic on a few matrices (centre, scale, linear layers with
rectifiers between them), so that the pose editor can do the same in the page, from the same file.

Space is the picture's own: x to the right and y down in its pixels, z away from the viewer in the same unit, seen
without perspective.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from .keypoints import FACE, MIRROR, NECK, NOSE, SHOULDERS, Pose
from .keypoints_3d import laid_over_picture

# Lies in web/, since the page reads it, too.
LIFTER_FILE = Path(__file__).parents[2] / "web" / "lifter" / "lifter.safetensors"

JOINTS = 18


class Lifter(nn.Module):
    """Residual blocks of two linear layers (Martinez et al., 2017), without normalisation: what a page can run."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Linear(JOINTS * 3, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()) for _ in range(blocks)
        )
        self.last = nn.Linear(width, JOINTS * 3)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, 18, 2) in any unit, NaN where missing -> (B, 18, 3) in the same unit and place.

        x, y of a point that is there are its own. z is 0 in the mean of these points. At least one must be there.
        """
        missing = points.isnan().any(dim=-1, keepdim=True)
        is_there = (~missing).to(points.dtype)
        count = is_there.sum(dim=1, keepdim=True)
        centre = (points.nan_to_num() * is_there).sum(dim=1, keepdim=True) / count
        offsets = (points - centre).nan_to_num() * is_there
        size = (offsets.square().sum(dim=(1, 2), keepdim=True) / count).sqrt().clamp(min=1e-6)
        hidden = self.first(torch.cat([offsets / size, is_there], dim=-1).flatten(1)).relu()
        for block in self.blocks:
            hidden = hidden + block(hidden)
        lifted = self.last(hidden).unflatten(1, (JOINTS, 3)) * size
        x_y = torch.where(missing, centre + lifted[..., :2], points)
        z = lifted[..., 2:]
        return torch.cat([x_y, z - (z * is_there).sum(dim=1, keepdim=True) / count], dim=-1)


@cache
def load_lifter(file: Path = LIFTER_FILE) -> Lifter:
    """The lifter that comes along, or another of `train-lifter`, in float32 on the CPU: a pose takes a millisecond."""
    state = load_file(file)
    lifter = Lifter(len(state["first.bias"]), sum(name.endswith(".0.bias") for name in state))
    lifter.load_state_dict(state)
    return lifter.requires_grad_(False).train(False)


@dataclass(frozen=True, eq=False)
class SpatialPose:
    """One person in space, in front of a canvas.

    points: (18, 3) float64, (x, y, z), see the module; NaN where nobody knows.
    width, height: the canvas in pixels.
    """

    points: np.ndarray
    width: int
    height: int


def lift(pose: Pose) -> SpatialPose:
    """A pose with at least one point -> the same in space; x, y of what is visible are its own.

    What the body hides is there, where the lifter thinks it is: an arm or leg joint whose other side is visible, the
    neck with a shoulder, the face with any of its points, or with a neck below it in the picture. What is not in the
    picture (both ankles of a portrait) stays unknown. `keypoints_3d` of the pose is believed where it is there.
    """
    points = load_lifter()(torch.from_numpy(pose.points).float()[None])[0].double().numpy()
    known_space = laid_over_picture(pose)
    if known_space is not None:
        depth = points[~np.isnan(known_space).any(axis=1) & pose.visible, 2].mean()
        points = np.where(np.isnan(known_space).any(axis=1)[:, None], points, known_space + (0, 0, depth))
    visible = pose.visible
    points[visible, :2] = pose.points[visible]
    points[~_known(pose, points)] = np.nan
    return SpatialPose(points, pose.width, pose.height)


def lift_visible(pose: Pose) -> SpatialPose:
    """As `lift`, without what the picture does not show."""
    space = lift(pose)
    return replace(space, points=np.where(pose.visible[:, None], space.points, np.nan))


def _known(pose: Pose, points: np.ndarray) -> np.ndarray:
    visible = pose.visible
    is_known = visible | visible[list(MIRROR)]
    is_known[NECK] |= visible[SHOULDERS].any()
    in_picture = (points[NOSE, :2] >= 0).all() and (points[NOSE, :2] <= (pose.width, pose.height)).all()
    is_known[FACE] = visible[FACE].any() or (visible[NECK] and in_picture)
    return is_known
