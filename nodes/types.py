"""Custom types on the wires, and the inputs several nodes share."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import torch
from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, short, shortened
from ..cfld_modules.poses.framing import FITS
from ..cfld_modules.poses.keypoints import Pose
from ..cfld_modules.poses.reading import read_pose_keypoints

CATEGORY = "CFLD"
POSES, PEOPLE, SCENES, DEMO = (f"{CATEGORY}/{name}" for name in ("poses", "people", "scenes", "demo"))
CFLDType = io.Custom("CFLD")
AppearanceType = io.Custom("CFLD_APPEARANCE")
PoseType = io.Custom("POSE_KEYPOINT")
BodyType = io.Custom("MHR_POSE_DATA")
"""What core's Predict SAM3D Body gives, of hosts newer than those here: people in the picture and in space."""


def cfld_input() -> io.Input:
    return CFLDType.Input("cfld", tooltip="The CFLD checkpoint, from CFLD Loader.")


def fit_input(what: str) -> io.Input:
    return io.Combo.Input(
        "fit", options=list(FITS), default="pad", advanced=True,
        tooltip=f"How a {what} of another aspect than 176:256 becomes the frame the network sees: pad repeats the "
        "border (nothing is lost; the paper's way for pictures already of that aspect), crop cuts the centre, stretch "
        "squashes. Use the same for the source and the pose, so that proportions survive.",
    )


def percent_inputs(what: str) -> list[io.Input]:
    return [
        io.Float.Input(
            "start_percent", default=0.0, min=0.0, max=1.0, step=0.001, advanced=True,
            tooltip=f"Share of the sampling after which {what} begins.",
        ),
        io.Float.Input(
            "end_percent", default=1.0, min=0.0, max=1.0, step=0.001, advanced=True,
            tooltip=f"Share of the sampling after which {what} ends.",
        ),
    ]


@contextmanager
def about_input(node: str, name: str, *errors: type[Exception]) -> Iterator[None]:
    """Around the use of an input: errors of these kinds become a ValueError that names the node and the input."""
    try:
        yield
    except errors as error:
        raise ValueError(shortened(f"{node}: input '{name}': {error}")) from error


def read_poses(node: str, name: str, value: Any, is_ours: bool = False) -> list[Pose]:
    """The poses on a POSE_KEYPOINT wire, one a frame; errors name the node and its input.

    is_ours: of the editor's text, see `read_pose_keypoints`.
    """
    with about_input(node, name, PoseError):
        return read_pose_keypoints(value, is_ours=is_ours)


def check_finite(node: str, **numbers: object) -> None:
    """That inputs which the host bounds are numbers: it compares, and no comparison with NaN fails.

    Raises:
        ValueError: naming node, input and value.
    """
    for name, number in numbers.items():
        if not isinstance(number, Real) or not math.isfinite(number):
            raise ValueError(f"{node}: input '{name}' is {short(number)}; give a finite number")


def check_numbers(
    node: str, name: str, tensors: Iterable[torch.Tensor], problem: str, dtype: torch.dtype | None = None
) -> None:
    """That tensors which come by an input are finite, also in `dtype` where given.

    Raises:
        ValueError: naming node and input, with what the problem is and its remedy.
    """
    for tensor in tensors:
        extremes = tensor.detach().float().aminmax()
        if not all(math.isfinite(end) and abs(end) <= torch.finfo(dtype or torch.float32).max for end in extremes):
            raise ValueError(shortened(f"{node}: input '{name}' {problem}"))


def check_count(node: str, name: str, value: object, least: int, most: int) -> None:
    """That a number which any wire may feed is a whole one within the bounds of its widget.

    Raises:
        ValueError: naming node, input, value and bounds.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise ValueError(f"{node}: input '{name}' is {short(value)}; give a whole number from {least} to {most}")


def check_choice(node: str, name: str, value: object, options: Iterable[str]) -> None:
    """That a combo, which any wire may feed, has one of its options.

    Raises:
        ValueError: naming node, input, value and options.
    """
    options = list(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{node}: input '{name}' is {short(value)}; give one of {', '.join(options)}")
