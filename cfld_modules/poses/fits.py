"""The rules by which a picture or a pose's canvas of another aspect becomes the frame: see `framing.fit_box`."""

from typing import Literal, get_args

Fit = Literal["pad", "crop", "stretch"]
FITS: tuple[str, ...] = get_args(Fit)
