"""People in a picture, found by the two networks of BlazePose (MediaPipe's, arXiv 2006.10204 and 2206.11678).

A detector finds the middle of the hips and a circle around each body; a square region, turned so that the body stands
upright in it, goes to the landmark network. `checkpoints.blazepose_file` brings both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..keypoints import Pose
from .graph import Graph, GraphLayout
from .region import Region, tiles, whole_picture

DETECTOR_SIZE, LANDMARK_SIZE = 224, 256
RESULTS: dict[str, dict[str, tuple[int, ...]]] = {
    "detector": {"Identity": (1, 2254, 12), "Identity_1": (1, 2254, 1)},
    "landmarks": {"Identity": (1, 195), "Identity_1": (1, 1), "Identity_2": (1, 256, 256, 1), "Identity_4": (1, 117)},
}
"""Shapes of what each network gives for one picture, as far as it is read here."""
MOST_NUMBERS = 100_000_000  # of all tensors on the way
# From 33 landmarks to the 18 points; the neck is the middle of the two shoulders.
_LANDMARK_OF_POINT = (0, 11, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_NECK, _SHOULDERS = 1, [2, 5]
# What the landmark network would see of the next frame: the middle of the hips, and the circle around the body.
_NEXT_REGION = [33, 34]
REGION_MARGIN = 1.25

SCORE_THRESHOLD = 0.5
# Tiles show parts of people and of things, and those resemble people more than a whole picture does.
TILE_SCORE_THRESHOLD = 0.7
PERSON_THRESHOLD = 0.5
SMALLEST_TILE = DETECTOR_SIZE / 2
# Nobody is looked for in tiles of less than half the side of somebody's region.
MAX_SIDE_IN_TILES = 2
PASSES = 2
# Two detections are one person where their hips are nearer than this share of the circle around the body.
SAME_HIPS = 0.25
# Two skeletons are one person where their points are nearer than this share of the region, in the mean.
SAME_POINTS = 0.08


class BlazePose(torch.nn.Module):
    """The two networks, in the host's or anybody's care; `detect_people` runs them."""

    def __init__(self, detector: Graph, landmarks: Graph) -> None:
        super().__init__()
        self.detector = detector
        self.landmarks = landmarks


def check_layouts(layouts: Mapping[str, GraphLayout], weights: Mapping[str, Mapping[int, torch.Tensor]]) -> None:
    """Runs both networks without their numbers, on the meta device.

    Raises:
        ValueError: a network gives something else than `RESULTS`, or takes much more memory.
        Exception: whatever PyTorch and einops raise of operations that do not fit together.
    """
    for name, size in (("detector", DETECTOR_SIZE), ("landmarks", LANDMARK_SIZE)):
        graph = Graph(layouts[name], {number: weight.to("meta") for number, weight in weights[name].items()})
        tensors = graph.run(torch.empty(1, size, size, 3, device="meta"))
        shapes = {result: tuple(tensors[number].shape) for result, number in layouts[name].outputs.items()}
        if not RESULTS[name].items() <= shapes.items() or sum(map(torch.numel, tensors.values())) > MOST_NUMBERS:
            raise ValueError(f"its {name} gives {shapes}")


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


@torch.no_grad()
def detect_people(network: BlazePose, picture: np.ndarray) -> tuple[list[Pose], np.ndarray]:
    """Everybody the networks find in a picture.

    Args:
        network: on any device.
        picture: RGB uint8 (H, W, 3).

    Returns:
        People, in space too; an empty list if nobody is found. Points that are hidden or lie outside the picture are
        missing. And where they are, all together: float32 (H, W), 1 where somebody is.
    """
    found: list[Landmarks] = []
    for candidate in find_candidates(network.detector, picture):
        landmarks = see_landmarks(network.landmarks, picture, candidate.region)
        if landmarks is not None and not any(landmarks.is_same_person(other) for other in found):
            found.append(landmarks)
    height, width = picture.shape[:2]
    people = [(landmarks, landmarks.pose(width, height)) for landmarks in found]
    people = [(landmarks, pose) for landmarks, pose in people if pose.visible.any()]
    mask = np.zeros((height, width), np.float32)
    for landmarks, _ in people:
        np.maximum(mask, landmarks.region.paste(landmarks.mask, width, height), out=mask)
    return [pose for _, pose in people], mask


def find_candidates(detector: Graph, picture: np.ndarray) -> list[Candidate]:
    """Bodies in the whole picture, then in ever smaller tiles, as long as nobody is large beside the tiles.

    The surest come first.
    """
    height, width = picture.shape[:2]
    candidates = _detect(detector, picture, whole_picture(width, height), SCORE_THRESHOLD)
    side = min(width, height) / (2 if width == height else 1)
    while side >= SMALLEST_TILE and not any(one.region.side > MAX_SIDE_IN_TILES * side for one in candidates):
        for tile in tiles(width, height, side):
            candidates += _detect(detector, picture, tile, TILE_SCORE_THRESHOLD)
        side /= 2
    return keep_surest(candidates)


def keep_surest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of candidates whose hips are at one place the surest, the surest of all first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        if all(np.linalg.norm(candidate.hips - other.hips) > SAME_HIPS * other.radius for other in kept):
            kept.append(candidate)
    return kept


def anchors() -> np.ndarray:
    """(2254, 2): the places that the detector's answers are relative to, in shares of its picture."""
    grids = []
    for cells, answers in ((28, 2), (14, 2), (7, 6)):
        middles = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, answers, axis=0))
    return np.concatenate(grids)


def _detect(detector: Graph, picture: np.ndarray, region: Region, threshold: float) -> list[Candidate]:
    results = detector(_network_input(detector, region.cut(picture, DETECTOR_SIZE)) * 2 - 1)
    scores = torch.sigmoid(results["Identity_1"][0, :, 0]).cpu().numpy()
    sure = scores > threshold
    numbers = results["Identity"][0].cpu().numpy()[sure]  # a box, then the key points: (x, y) of hips, circle, ...
    points = region.to_picture(numbers[:, 4:8].reshape(-1, 2, 2) / DETECTOR_SIZE + anchors()[sure][:, None])
    return [
        Candidate(hips, circle, score) for (hips, circle), score in zip(points, scores[sure].tolist(), strict=True)
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

    def pose(self, width: int, height: int) -> Pose:
        """On the canvas of the picture: the 18 points that are visible and in it."""
        within = ((self.points >= 0) & (self.points < (width, height))).all(axis=1)
        missing = ~(self.visible & within)
        points = _to_18_points(np.where(missing[:, None], np.nan, self.points))
        return Pose(points, width, height, _to_18_points(np.where(missing[:, None], np.nan, self.space)))


def see_landmarks(network: Graph, picture: np.ndarray, region: Region) -> Landmarks | None:
    """The landmarks in a region, and again in the region that they give; None where nobody is there."""
    for _ in range(PASSES):
        results = network(_network_input(network, region.cut(picture, LANDMARK_SIZE)))
        if results["Identity_1"].item() < PERSON_THRESHOLD:
            return None
        rows = results["Identity"].reshape(39, 5).double().cpu().numpy()
        points = region.to_picture(rows[:, :2] / LANDMARK_SIZE)
        seen_in, region = region, region_of(*points[_NEXT_REGION])
    space = results["Identity_4"].reshape(39, 3).double().cpu().numpy()[:33]
    space[:, :2] = space[:, :2] @ seen_in.axes / seen_in.side
    visible = rows[:33, 3] > 0  # a logit: more than one half
    mask = torch.sigmoid(results["Identity_2"][0, :, :, 0]).cpu().numpy()
    return Landmarks(seen_in, points[:33], visible, space, mask)


def _to_18_points(landmarks: np.ndarray) -> np.ndarray:
    points = landmarks[list(_LANDMARK_OF_POINT)]
    points[_NECK] = points[_SHOULDERS].mean(axis=0)
    return points


def _network_input(network: torch.nn.Module, picture: np.ndarray) -> torch.Tensor:
    """RGB uint8 (size, size, 3) -> (1, size, size, 3) in [0, 1] where the network is."""
    return torch.from_numpy(picture)[None].to(next(network.parameters()).device).float() / 255.0
