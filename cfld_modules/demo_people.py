"""The bundled people: twelve of whom no training has seen, each in the same eight poses, with exact masks.

They lie in `demo_model/people` in DeepFashion's layout (docs/method.md, section 10), so that `evaluate` reads them,
too; `benchmarks/draw_demo_people.py` draws them.
"""

import csv
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .demo_model import FOLDER as DEMO_MODEL
from .errors import DataError
from .photographs import read_photograph
from .poses.keypoints import Pose

FOLDER = DEMO_MODEL / "people"
KEY_POINTS_3D = FOLDER / "key_points_3d.json"
"""{name: (18, 3)}, all of them, in metres to the right, down and away from the camera."""
PICTURES, SILHOUETTES = FOLDER / "test_highres", FOLDER / "test_silhouettes"
PEOPLE, POSES = 12, 8
WIDTH, HEIGHT = 352, 512
TABLE_CANVAS = 176, 256  # of the key points


@dataclass(frozen=True)
class DemoPhoto:
    """image: RGB uint8 (height, width, 3); pose: on it, hidden key points missing; silhouette: bool (height, width)."""

    image: np.ndarray
    pose: Pose
    silhouette: np.ndarray


def photo_name(person: int, pose: int) -> str:
    return f"person{person:02d}_pose{pose}.webp"


def demo_photo(person: int, pose: int, width: int = WIDTH, height: int = HEIGHT) -> DemoPhoto:
    """One of the people in one of the poses, whole and in the middle of a picture of this size.

    person, pose: from 0; beyond the last they begin again with the first. Pose 0 shows the front.
    """
    name = photo_name(person % PEOPLE, pose % POSES)
    scale = min(width / WIDTH, height / HEIGHT)
    size = max(round(WIDTH * scale), 1), max(round(HEIGHT * scale), 1)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    margins = (top, height - size[1] - top), (left, width - size[0] - left)
    photos = (Image.fromarray(read_photograph(folder / name)) for folder in (PICTURES, SILHOUETTES))
    image, mask = (np.array(photo.resize(size, Image.Resampling.LANCZOS)) for photo in photos)
    points = _key_points(name) * (size[0] / TABLE_CANVAS[0], size[1] / TABLE_CANVAS[1]) + (left, top)
    return DemoPhoto(
        np.pad(image, (*margins, (0, 0)), mode="edge"), Pose(points, width, height),
        np.pad(mask[..., 0] > 127, margins),
    )


def _key_points(name: str) -> np.ndarray:
    """(18, 2) on `TABLE_CANVAS`, NaN where hidden. Raises DataError when the table does not name the picture."""
    with open(FOLDER / "fasion-resize-annotation-test.csv", newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter=":"):
            if row["name"] == name:
                points = np.array([json.loads(row["keypoints_x"]), json.loads(row["keypoints_y"])], float).T
                return np.where((points == -1).any(axis=1, keepdims=True), np.nan, points)
    raise DataError(f"'{FOLDER}' has no key points of '{name}'; install the pack anew")
