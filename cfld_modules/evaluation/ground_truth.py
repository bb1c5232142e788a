"""Scores results on a data set with silhouettes, as `data people` writes it: each person has a true picture and outline
in each test pose.

Pose: how well the outline found in the result is the exact one. Identity: whether, of all people of the data set in the
very pose that was asked for, the one whose clothes are most like the result's is the right one. Sharpness: how steep
the result is beside its truth, where the person is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.pairs import Photograph, PhotographFile
from ..poses.framing import Fit
from .clothes import bare_studio, clothes_distance, clothes_features, find_silhouette, intersection_over_union
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


def galleries(
    targets: Sequence[Photograph], photographs: Sequence[Photograph]
) -> dict[str, list[PhotographFile]]:
    """{pose: all people in it}, where all targets have silhouettes; nothing where they have not."""
    if not all(isinstance(target, PhotographFile) and silhouette_file(target).is_file() for target in targets):
        return {}
    people: dict[str, list[PhotographFile]] = {}
    for photograph in photographs:
        if isinstance(photograph, PhotographFile):
            people.setdefault(pose_name(photograph), []).append(photograph)
    return people


def pose_name(photograph: Photograph) -> str:
    """What stands after the person in the name."""
    return photograph.name.split("_", 1)[-1]


def silhouette_file(target: PhotographFile) -> Path:
    return target.path.parent.parent / SILHOUETTES / target.path.name


def exact_silhouette(target: PhotographFile, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool at that (width, height): where the person covers more than half of the pixel."""
    mask = Image.open(silhouette_file(target)).convert("L")  # WebP knows no greys
    return np.array(mask.resize(size, Image.Resampling.BOX)) > 127


def score_against_truth(
    result: np.ndarray, truth: np.ndarray, target: PhotographFile, gallery: Sequence[PhotographFile], fit: Fit
) -> TruthScores:
    """Scores of a result RGB uint8 (H, W, 3), whose truth, of the same size, is the target's whole picture.

    Args:
        gallery: people in the target's pose to tell it from, itself among them.
    """
    size = truth.shape[1], truth.shape[0]
    exact = exact_silhouette(target, size)
    studio = bare_studio(truth, exact)
    features = clothes_features(result, target.pose())
    nearest = min(gallery, key=lambda person: clothes_distance(features, _exact_features(person, fit, size)))
    return TruthScores(
        intersection_over_union(find_silhouette(result, studio), exact),
        intersection_over_union(find_silhouette(truth, studio), exact),
        nearest.name == target.name, sharpness(result, exact) / sharpness(truth, exact),
    )


@lru_cache(maxsize=1024)  # each is compared with all results in its pose
def _exact_features(exact: PhotographFile, fit: Fit, size: tuple[int, int]) -> np.ndarray:
    return clothes_features(truth_picture(exact, fit, *size), exact.pose())


def sharpness(picture: np.ndarray, silhouette: np.ndarray) -> float:
    """Mean gradient of grey values of a picture RGB uint8 (H, W, 3) where silhouette (H, W) is true."""
    down, right = np.gradient(picture.astype(np.float64).mean(axis=2))
    return float(np.hypot(down, right)[silhouette].mean())
