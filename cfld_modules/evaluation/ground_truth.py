"""Scores of a data set whose people all stand in the same test poses, with silhouettes (`data people`).

Pose: how well the outline found in the result is the exact one. Identity: whether, of all people of the data set in the
very pose that was asked for, the one whose clothes are most like the result's is the right one. Sharpness: how steep
the result is beside its truth, where the person is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.pairs import Pairs, Photograph, PhotographFile
from ..mannequins.scores import clothes_distance, clothes_features, find_silhouette, intersection_over_union
from .generate import truth_picture

SILHOUETTES = "test_silhouettes"


@dataclass(frozen=True)
class TruthScores:
    """Of one result.

    silhouette_iou: of the outline found in the result and the exact one, 0 to 1.
    silhouette_iou_of_truth: the same of the truth, the best that can be had.
    retrieved: whether nobody else's clothes are more like the result's.
    sharpness: mean gradient within the exact outline, result over truth.
    """

    silhouette_iou: float
    silhouette_iou_of_truth: float
    retrieved: bool
    sharpness: float


class GroundTruth:
    """The truths of one data set, at the size of its results.

    Args:
        size: (width, height) of results in pixels.
    """

    def __init__(self, pairs: Pairs, size: tuple[int, int]) -> None:
        self.fit, self.size = pairs.fit, size
        self.gallery: dict[str, list[Photograph]] = {}
        for photograph in pairs.photographs:
            self.gallery.setdefault(_pose_name(photograph), []).append(photograph)
        self._features: dict[str, np.ndarray] = {}

    def score(self, result: np.ndarray, truth: np.ndarray, target: PhotographFile) -> TruthScores:
        """Scores of a result RGB uint8 (H, W, 3), whose truth, of the same size, is the target's whole picture."""
        exact = np.array(Image.open(silhouette_file(target)).resize(self.size, Image.Resampling.BOX)) > 127
        shown = clothes_features(result, target.pose())
        people = self.gallery[_pose_name(target)]
        nearest = min(people, key=lambda person: clothes_distance(shown, self._exact_features(person)))
        return TruthScores(
            intersection_over_union(find_silhouette(result, truth), exact),
            intersection_over_union(find_silhouette(truth, truth), exact),
            nearest == target, sharpness(result, exact) / sharpness(truth, exact),
        )

    def _exact_features(self, photograph: Photograph) -> np.ndarray:
        if photograph.name not in self._features:
            truth = truth_picture(photograph, self.fit, *self.size)
            self._features[photograph.name] = clothes_features(truth, photograph.pose())
        return self._features[photograph.name]


def has_ground_truth(targets: Sequence[Photograph]) -> bool:
    """Whether there are silhouettes of all of them."""
    return all(isinstance(target, PhotographFile) and silhouette_file(target).is_file() for target in targets)


def silhouette_file(target: PhotographFile) -> Path:
    return target.path.parent.parent / SILHOUETTES / target.path.name


def sharpness(picture: np.ndarray, silhouette: np.ndarray) -> float:
    """Mean gradient of grey values of a picture RGB uint8 (H, W, 3) where silhouette (H, W) is true."""
    down, right = np.gradient(picture.astype(np.float64).mean(axis=2))
    return float(np.hypot(down, right)[silhouette].mean())


def _pose_name(photograph: Photograph) -> str:
    return photograph.name.split("_", 1)[-1]
