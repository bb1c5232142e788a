"""Custom types on the wires, the inputs several nodes share, and checks of inputs.

The checks raise ValueErrors that name node, input, value and remedy.
"""

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
    """The poses on a POSE_KEYPOINT wire, one a frame; `is_ours` of the editor's text, see `read_pose_keypoints`."""
    with about_input(node, name, PoseError):
        return read_pose_keypoints(value, is_ours=is_ours)


def check_finite(node: str, **numbers: object) -> None:
    """That inputs which the host bounds are numbers: it compares, and no comparison with NaN fails."""
    for name, number in numbers.items():
        if not isinstance(number, Real) or not math.isfinite(number):
            raise ValueError(f"{node}: input '{name}' is {short(number)}; give a finite number")


def check_numbers(
    node: str, name: str, tensors: Iterable[torch.Tensor], problem: str, dtype: torch.dtype | None = None
) -> None:
    """That tensors which come by an input are finite, also in `dtype` where given; else the problem is the error."""
    for tensor in tensors:
        extremes = tensor.detach().float().aminmax()
        if not all(math.isfinite(end) and abs(end) <= torch.finfo(dtype or torch.float32).max for end in extremes):
            raise ValueError(shortened(f"{node}: input '{name}' {problem}"))


def check_widgets(node: type[io.ComfyNode], **values: object) -> None:
    """That inputs which any wire may feed are what their widgets would give, but for the bounds of floats."""
    schema = node.define_schema()
    widgets = {widget.id: widget for widget in schema.inputs}
    for name, value in values.items():
        match widgets[name]:
            case io.Float.Input():
                check_finite(schema.display_name, **{name: value})
                continue
            case io.Int.Input(min=least, max=most):
                is_good = isinstance(value, Integral) and not isinstance(value, bool) and least <= value <= most
                wanted = f"a whole number from {least} to {most}"
            case io.Combo.Input(options=options):
                is_good, wanted = isinstance(value, str) and value in options, f"one of {', '.join(options)}"
        if not is_good:
            raise ValueError(f"{schema.display_name}: input '{name}' is {short(value)}; give {wanted}")
