"""Custom types on the wires, and the inputs several nodes share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io

from ..cfld_modules.networks.config import CFLDConfig
from ..cfld_modules.poses.framing import FITS
from ..cfld_modules.poses.keypoints import Pose, PoseError
from ..cfld_modules.poses.reading import read_pose_keypoints

CATEGORY = "CFLD"
CFLDType = io.Custom("CFLD")
AppearanceType = io.Custom("CFLD_APPEARANCE")
PoseType = io.Custom("POSE_KEYPOINT")


@dataclass(frozen=True, eq=False)
class LoadedCFLD:
    """What travels on a CFLD wire.

    Attributes:
        name: as chosen in the loader, for messages.
        networks: the host's model patcher around `cfld_modules.networks.model.CFLD`.
        key_values: the 18 trained U-Net matrices, diffusers names.
    """

    name: str
    config: CFLDConfig
    networks: Any
    key_values: dict[str, torch.Tensor]


def cfld_input() -> io.Input:
    return CFLDType.Input("cfld", tooltip="The CFLD checkpoint, from CFLD Loader.")


def fit_input(what: str) -> io.Input:
    return io.Combo.Input(
        "fit", options=list(FITS), default="pad",
        tooltip=f"How a {what} of another aspect than 176:256 becomes the frame the network sees: pad repeats the "
        "border (nothing is lost; the paper's way for pictures already of that aspect), crop cuts the centre, stretch "
        "squashes. Use the same for the source and the pose, so that proportions survive.",
    )


def percent_inputs(what: str) -> list[io.Input]:
    return [
        io.Float.Input(
            "start_percent", default=0.0, min=0.0, max=1.0, step=0.001,
            tooltip=f"Share of the sampling after which {what} begins.",
        ),
        io.Float.Input(
            "end_percent", default=1.0, min=0.0, max=1.0, step=0.001,
            tooltip=f"Share of the sampling after which {what} ends.",
        ),
    ]


def read_poses(node: str, name: str, value: Any) -> list[Pose]:
    """The poses on a POSE_KEYPOINT wire, one a frame; errors name the node and its input."""
    try:
        return read_pose_keypoints(value)
    except PoseError as error:
        raise ValueError(f"{node}: input '{name}': {error}") from error


def picture_array(image: torch.Tensor) -> np.ndarray:
    """One picture of an IMAGE batch, (H, W, C) in [0, 1] -> RGB uint8 (H, W, 3)."""
    return (image[..., :3].clamp(0, 1) * 255.0).round().to(torch.uint8).cpu().numpy()


def image_batch(pictures: list[np.ndarray]) -> torch.Tensor:
    """RGB uint8 pictures of one size -> IMAGE (B, H, W, 3) in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).float() / 255.0
