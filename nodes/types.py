"""Custom types on the wires, and the inputs several nodes share."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, short, shortened
from ..cfld_modules.poses.framing import FITS
from ..cfld_modules.poses.keypoints import Pose
from ..cfld_modules.poses.reading import read_pose_keypoints

CATEGORY = "CFLD"
CFLDType = io.Custom("CFLD")
AppearanceType = io.Custom("CFLD_APPEARANCE")
PoseType = io.Custom("POSE_KEYPOINT")


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
        raise ValueError(shortened(f"{node}: input '{name}': {error}")) from error


def check_finite(node: str, **numbers: object) -> None:
    """That inputs which the host bounds are numbers: it compares, and no comparison with NaN fails.

    Raises:
        ValueError: naming node, input and value.
    """
    for name, number in numbers.items():
        if not isinstance(number, Real) or not math.isfinite(number):
            raise ValueError(f"{node}: input '{name}' is {short(number)}; give a finite number")


def check_choice(node: str, name: str, value: object, options: Iterable[str]) -> None:
    """That a combo, which any wire may feed, has one of its options.

    Raises:
        ValueError: naming node, input, value and options.
    """
    options = list(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{node}: input '{name}' is {short(value)}; give one of {', '.join(options)}")
