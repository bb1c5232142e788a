"""`train-lifter`: the small network that puts a pose's joints in space, from skeletons at random."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import nn

from ..checkpoints.tensor_files import write_tensors
from ..evaluation.sheet import contact_sheet
from ..poses.keypoints import Pose
from ..poses.lifting import Lifter
from ..poses.pose_maps import draw_pose
from ..settings import Bound, Count
from .lifter_samples import LifterSamples, build_skeletons
from .loop import LoopSettings

SHEET_POSES = 8
SHEET_SIZE = 160


@dataclass(frozen=True)
class LifterSettings:
    """A configuration file of `train-lifter`. A sample, of which `training.batch_size` counts, is 256 poses.

    Attributes:
        skeletons: how many are articulated; each is seen again with other proportions, from other sides.
        width, blocks: of the network.
    """

    output: Path
    training: LoopSettings
    skeletons: Count = 100_000
    width: Annotated[int, Bound(ge=1, le=16384)] = 192
    blocks: Annotated[int, Bound(ge=0, le=1000)] = 2

    def task(self, _: Accelerator) -> "LifterTask":
        return LifterTask(self)


class LiftingError(nn.Module):
    """The loss: absolute error of each coordinate that the lifter says, in units of the person's height."""

    def __init__(self, lifter: Lifter) -> None:
        super().__init__()
        self.lifter = lifter

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss` for `points` (..., 18, 2) and the truth `space` (..., 18, 3); see `LifterSamples`."""
        points, space = batch["points"].flatten(0, -3), batch["space"].flatten(0, -3)
        lifted = self.lifter(points)
        is_there = ~points.isnan().any(dim=-1, keepdim=True)
        mean_depth = (space[..., 2:] * is_there).sum(dim=1, keepdim=True) / is_there.sum(dim=1, keepdim=True)
        depth_error = (lifted[..., 2:] - (space[..., 2:] - mean_depth)).abs()
        place_error = (lifted[..., :2] - space[..., :2]).abs() * ~is_there
        return {"loss": depth_error.mean() + place_error.sum(dim=-1).mean()}


class LifterTask:
    """See `loop.Task`."""

    def __init__(self, settings: LifterSettings) -> None:
        self.settings = settings
        seed = settings.training.seed
        self.model = LiftingError(Lifter(settings.width, settings.blocks))
        self.data = LifterSamples(build_skeletons(settings.skeletons, seed), seed)

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Poses of no training step, what the lifter sees from their left, and what is there."""
        held_out = LifterSamples(self.data.skeletons, self.settings.training.seed + 1)[0]
        device = next(self.model.parameters()).device
        points, space = (held_out[name].to(device) for name in ("points", "space"))
        score = self.model({"points": points, "space": space})["loss"].item()
        lifted = self.model.lifter(points[:SHEET_POSES])
        rows = [
            [_drawing(pose), _drawing(guess[:, [2, 1]]), _drawing(truth[:, [2, 1]])]
            for pose, guess, truth in zip(*(array.cpu().numpy() for array in (points, lifted, space)), strict=False)
        ]
        return contact_sheet(rows, ("pose", "lifted, from aside", "truth")), {"held-out error": score}

    def export(self) -> None:
        """`lifter.safetensors`, in float16."""
        state = self.model.lifter.state_dict()
        write_tensors(self.settings.output / "lifter.safetensors", state, dtype=torch.float16)


def _drawing(points: np.ndarray) -> np.ndarray:
    """(18, 2) in units of the person's height, in the middle of a square."""
    centred = points - np.nanmean(points, axis=0)
    return draw_pose(Pose(SHEET_SIZE * (0.5 + 0.8 * centred), SHEET_SIZE, SHEET_SIZE), SHEET_SIZE, SHEET_SIZE)
