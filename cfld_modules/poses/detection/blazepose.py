"""People in a picture, found by the two networks of BlazePose (MediaPipe's, arXiv 2006.10204 and 2206.11678).

A detector finds the middle of the hips and a circle around each body; a square region, turned so that the body stands
upright in it, goes to the landmark network. `checkpoints.blazepose_file` brings both.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image

from ..keypoints import Pose
from ..layouts import BLAZEPOSE, to_coco18
from .detector import Detector, People
from .region import Region, shrink, tiles, whole_picture

DETECTOR_SIZE, LANDMARK_SIZE = 224, 256
PICTURES = {"detector": (1, DETECTOR_SIZE, DETECTOR_SIZE, 3), "landmarks": (1, LANDMARK_SIZE, LANDMARK_SIZE, 3)}
RESULTS: dict[str, dict[str, tuple[int, ...]]] = {
    "detector": {"Identity": (1, 2254, 12), "Identity_1": (1, 2254, 1)},
    "landmarks": {"Identity": (1, 195), "Identity_1": (1, 1), "Identity_2": (1, 256, 256, 1), "Identity_4": (1, 117)},
}
"""Shapes of what each network takes and gives for one picture, as far as it is read here."""
_REGION_RESULTS = ("Identity", "Identity_1")
"""Of the landmark network's what the next look is made by: the points, and whether it is a person."""
# What the landmark network would see of the next frame: the middle of the hips, and the circle around the body.
_NEXT_REGION = [33, 34]
REGION_MARGIN = 1.25

LARGEST_SIDE = 16 * DETECTOR_SIZE
"""Of a picture as it is searched, in pixels: a larger one is shrunk first."""
MOST_RADIUS = 10 * LARGEST_SIDE
SCORE_THRESHOLD = 0.5
# Tiles show parts of people and of things, and those resemble people more than a whole picture does.
TILE_SCORE_THRESHOLD = 0.7
PERSON_THRESHOLD = 0.5
SMALLEST_TILE = DETECTOR_SIZE / 2
# Nobody is looked for who is much smaller than the picture: the smallest tile's side is at least this share of the root
# of its area. In a tile somebody is seen whose height is 0.4 of its side, so down to 1/15 of the picture's.
SMALLEST_TILE_SHARE = 1 / 6
# Nobody is looked for in tiles of less than half the side of somebody's region.
MAX_SIDE_IN_TILES = 2
PASSES = 2
# Two detections are one person where their hips are nearer than this share of the circle around the body.
SAME_HIPS = 0.25
# Two skeletons are one person where their points are nearer than this share of the region, in the mean.
SAME_POINTS = 0.08


class BlazePose(Detector):
    """The two networks, a `Graph` each, which take and give what `PICTURES` and `RESULTS` say."""

    def __init__(self, detector: torch.nn.Module, landmarks: torch.nn.Module) -> None:
        super().__init__()
        self.detector = detector
        self.landmarks = landmarks

    @torch.no_grad()
    def find_people(self, picture: np.ndarray, check: Callable[[], None] = lambda: None) -> People:
        """People, in space too, and their masks. Points that are hidden or lie outside the picture are missing."""
        height, width = picture.shape[:2]
        factor = math.ceil(max(width, height) / LARGEST_SIDE)
        image = Image.fromarray(picture) if factor == 1 else shrink(picture, factor)
        bodies: list[Landmarks] = []
        for candidate in find_candidates(self.detector, image, check):
            landmarks = see_landmarks(self.landmarks, image, candidate.region, check)
            if landmarks is not None and not any(landmarks.is_same_person(other) for other in bodies):
                bodies.append(landmarks)
        people = [(landmarks, landmarks.pose(factor, width, height)) for landmarks in bodies]
        people = [(landmarks, pose) for landmarks, pose in people if pose.visible.any()]
        masks = [(landmarks.region.scaled(factor), landmarks.mask) for landmarks, _ in people]
        return People([pose for _, pose in people], masks)


@dataclass(frozen=True, eq=False)
class Candidate:
    """Where a body may be.

    hips: (x, y) of their middle, in pixels of the picture.
    circle: a point of the circle around the whole body, beyond the head.
    """

    hips: np.ndarray
    circle: np.ndarray
    score: float

    @property
    def radius(self) -> float:
        return float(np.linalg.norm(self.circle - self.hips))

    @property
    def region(self) -> Region:
        return region_of(self.hips, self.circle)


def region_of(hips: np.ndarray, circle: np.ndarray) -> Region:
    """The landmark network's square around a body, by the middle of its hips and a point of the circle around it."""
    radius = float(np.linalg.norm(circle - hips))
    return Region(hips, 2 * REGION_MARGIN * radius, (circle - hips) / radius)


def is_body(hips: np.ndarray, circle: np.ndarray) -> bool:
    """Whether the circle is one at all, and not much larger than any picture; a network may give any numbers."""
    return bool(1 <= np.linalg.norm(circle - hips) < MOST_RADIUS)


def find_candidates(
    detector: torch.nn.Module, picture: Image.Image, check: Callable[[], None] = lambda: None
) -> list[Candidate]:
    """Bodies, the surest first: in the whole picture, then in smaller tiles while nobody is large beside them."""
    width, height = picture.size
    candidates = _detect(detector, picture, whole_picture(width, height), SCORE_THRESHOLD, check)
    for side in tile_sides(width, height):
        if any(one.region.side > MAX_SIDE_IN_TILES * side for one in candidates):
            break
        for tile in tiles(width, height, side):
            candidates += _detect(detector, picture, tile, TILE_SCORE_THRESHOLD, check)
    return keep_surest(candidates)


def tile_sides(width: int, height: int) -> list[float]:
    """Sides of the tiles of a picture, each half of the one before; fewer than 200 tiles of any picture."""
    side = min(width, height) / (2 if width == height else 1)
    smallest = max(SMALLEST_TILE, SMALLEST_TILE_SHARE * math.sqrt(width * height))
    return [side / 2**halvings for halvings in range(10) if side / 2**halvings >= smallest]


def keep_surest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of candidates whose hips are at one place the surest, the surest of all first."""
    surest: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        if all(np.linalg.norm(candidate.hips - other.hips) > SAME_HIPS * other.radius for other in surest):
            surest.append(candidate)
    return surest


@cache
def anchors() -> np.ndarray:
    """(2254, 2): the places that the detector's answers are relative to, in shares of its picture."""
    grids = []
    for cells, answers in ((28, 2), (14, 2), (7, 6)):
        middles = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, answers, axis=0))
    return np.concatenate(grids)


def _detect(
    detector: torch.nn.Module, picture: Image.Image, region: Region, threshold: float, check: Callable[[], None]
) -> list[Candidate]:
    check()
    results = detector(_network_input(detector, region.cut(picture, DETECTOR_SIZE)) * 2 - 1)
    scores = torch.sigmoid(results["Identity_1"][0, :, 0]).cpu().numpy()
    sure = scores > threshold
    numbers = results["Identity"][0].cpu().numpy()[sure]  # a box, then the key points: (x, y) of hips, circle, ...
    points = region.to_picture(numbers[:, 4:8].reshape(-1, 2, 2) / DETECTOR_SIZE + anchors()[sure][:, None])
    return [
        Candidate(hips, circle, score)
        for (hips, circle), score in zip(points, scores[sure].tolist(), strict=True)
        if is_body(hips, circle)
    ]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What the landmark network sees in a region; BlazePose's own 33 points.

    points: (33, 2) in pixels of the picture.
    visible: (33,) bool.
    space: (33, 3) in metres from the mid hip, x to the picture's right, y down, z away from the viewer.
    mask: (256, 256) of the region, 0 .. 1.
    """

    region: Region
    points: np.ndarray
    visible: np.ndarray
    space: np.ndarray
    mask: np.ndarray

    def is_same_person(self, other: "Landmarks") -> bool:
        distance = np.linalg.norm(self.points - other.points, axis=1).mean()
        return bool(distance < SAME_POINTS * max(self.region.side, other.region.side))

    def pose(self, factor: int, width: int, height: int) -> Pose:
        """In a picture that is `factor` times as large: the 18 points that are visible and in it."""
        points = self.points * factor
        missing = ~(self.visible & ((points >= 0) & (points < (width, height))).all(axis=1))
        flat, space = (np.where(missing[:, None], np.nan, landmarks) for landmarks in (points, self.space))
        return Pose(to_coco18(flat, BLAZEPOSE), width, height, to_coco18(space, BLAZEPOSE))


def see_landmarks(
    network: torch.nn.Module, picture: Image.Image, region: Region, check: Callable[[], None] = lambda: None
) -> Landmarks | None:
    """The landmarks in a region, and again in the region that they give; None where nobody is there."""
    for number in range(PASSES):
        check()
        names = () if number == PASSES - 1 else _REGION_RESULTS
        results = network(_network_input(network, region.cut(picture, LANDMARK_SIZE)), *names)
        rows = results["Identity"].reshape(39, 5).double().cpu().numpy()
        points = region.to_picture(rows[:, :2] / LANDMARK_SIZE)
        if results["Identity_1"].item() < PERSON_THRESHOLD or not is_body(*points[_NEXT_REGION]):
            return None
        region_seen, region = region, region_of(*points[_NEXT_REGION])
    space = results["Identity_4"].reshape(39, 3).double().cpu().numpy()[:33]
    space[:, :2] = space[:, :2] @ region_seen.axes / region_seen.side
    visible = rows[:33, 3] > 0  # a logit: more than one half
    mask = torch.sigmoid(results["Identity_2"][0, :, :, 0]).cpu().numpy()
    return Landmarks(region_seen, points[:33], visible, space, mask)


def _network_input(network: torch.nn.Module, picture: np.ndarray) -> torch.Tensor:
    """RGB uint8 (size, size, 3) -> (1, size, size, 3) in [0, 1] where the network is."""
    return torch.from_numpy(picture)[None].to(next(network.parameters()).device).float() / 255.0
