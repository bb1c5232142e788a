"""What a detector is: networks that find the people in a picture."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..keypoints import Pose
from .region import Region


@dataclass(frozen=True, eq=False)
class People:
    """The people in a picture.

    poses: each on a canvas of the picture's size, in space too where the detector knows; empty if nobody is there.
    masks: where they are, 0 .. 1 in maps (size, size) of regions of the picture; empty where the detector gives none.
    """

    poses: Sequence[Pose]
    masks: Sequence[tuple[Region, np.ndarray]] = ()

    def mask(self, width: int, height: int) -> np.ndarray:
        """All of them in the picture: float32 (height, width)."""
        canvas = np.zeros((height, width), np.float32)
        for region, mask in self.masks:
            region.paste(mask, canvas)
        return canvas


class Detector(torch.nn.Module, ABC):
    """Networks that find people, on whatever device they are.

    A further detector is a file of this folder with such a class and a function that loads it from folders of weights
    (or says by a `MissingDetectorError` how to get them), and a line in `nodes/host/detectors.py`.
    """

    @abstractmethod
    def find_people(self, picture: np.ndarray, check: Callable[[], None] = lambda: None) -> People:
        """Everybody in an RGB uint8 picture (H, W, 3). `check` is called before each piece of work, and may raise."""
