"""Turntable scores of the demo model: eight views of a person made from one picture, against the true views.

The true ones are photographs of drawn people, so it takes what these take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..data.people_poses import FIRST_TEST_SEED, pose_of_seed
from ..data.people_writer import invited
from ..demo_model import HEIGHT, WIDTH
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.keypoints import Pose
from ..poses.pose_maps import draw_pose
from ..poses.turning import turntable
from ..studio.studio import Photo
from .clothes import bare_studio, find_silhouette, intersection_over_union
from .demo import load_demo_pipeline
from .metrics import ssim
from .sheet import contact_sheet

VIEWS = 8
STEPS, SEED = 20, 3407
DRAWN_WIDTH, DRAWN_HEIGHT = 2 * WIDTH, 2 * HEIGHT


@dataclass(frozen=True)
class TurntableScores:
    """Means over people, of one view.

    ssim, silhouette_iou: of results with the turned pose, and with the exact key points of that view (`exact_…`).
    unchanged_ssim: of the photograph.
    joint_distance: of the turned pose's joints from the exact ones where both are visible, in % of the height of the
        picture.
    """

    ssim: float
    exact_ssim: float
    unchanged_ssim: float
    silhouette_iou: float
    exact_silhouette_iou: float
    joint_distance: float


def demo_turntable(people: int, garments: Path | None) -> tuple[dict[int, TurntableScores], Image.Image]:
    """Scores by angle in degrees, and a sheet of the first person: poses, results and truths.

    Each of the first people of the test split faces the viewer in another pose; one photograph and its key points are
    what is known.

    Args:
        garments: see `people_writer.write_people`.

    Raises:
        GarmentError: when the folder lacks a garment.
    """
    pipeline = load_demo_pipeline()
    scores: list[list[TurntableScores]] = []
    sheet = None
    for person in range(people):
        views = _true_views(garments, FIRST_TEST_SEED + person)
        turned_poses = turntable(views[0].pose, 0, 0, VIEWS)
        results, exact_results = (
            _generate(pipeline, views[0], poses) for poses in (turned_poses, [view.pose for view in views])
        )
        small = (Image.fromarray(view.image).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for view in views)
        truths = [np.array(picture) for picture in small]
        scores.append([
            _scores(*row, truths[0])
            for row in zip(views, truths, turned_poses, results, exact_results, strict=True)
        ])
        if sheet is None:
            sheet = _sheet(turned_poses, results, truths)
    assert sheet is not None
    by_view = zip(*scores, strict=True)
    return {360 * number // VIEWS: _mean(view) for number, view in enumerate(by_view)}, sheet


def _true_views(garments: Path | None, seed: int) -> list[Photo]:
    """This person in the pose of the same number, by one camera."""
    studio = invited(garments, seed, DRAWN_WIDTH, DRAWN_HEIGHT)
    poses = [pose_of_seed(seed).turned(360 * number / VIEWS) for number in range(VIEWS)]
    return [studio.photograph(pose, framed=poses) for pose in poses]


def _generate(pipeline: CFLDPipeline, source: Photo, poses: Sequence[Pose]) -> list[np.ndarray]:
    pipeline.set_progress_bar_config(disable=True)
    results = pipeline(
        [Image.fromarray(source.image)], poses, fit="pad", steps=STEPS, generator=torch.Generator().manual_seed(SEED),
        width=WIDTH, height=HEIGHT,
    )
    return [np.array(result) for result in results]


def _scores(
    view: Photo, truth: np.ndarray, turned_pose: Pose, result: np.ndarray, exact_result: np.ndarray,
    photograph: np.ndarray,
) -> TurntableScores:
    silhouette = np.array(Image.fromarray(view.silhouette).resize((WIDTH, HEIGHT), Image.Resampling.BOX)) >= 0.5
    studio = bare_studio(truth, silhouette)
    distances = np.linalg.norm(turned_pose.points - view.pose.points, axis=1) / DRAWN_HEIGHT
    return TurntableScores(
        ssim(result, truth), ssim(exact_result, truth), ssim(photograph, truth),
        intersection_over_union(find_silhouette(result, studio), silhouette),
        intersection_over_union(find_silhouette(exact_result, studio), silhouette),
        100 * float(np.nanmean(distances)),
    )


def _mean(scores: Sequence[TurntableScores]) -> TurntableScores:
    return TurntableScores(*np.mean([list(vars(score).values()) for score in scores], axis=0).tolist())


def _sheet(turned_poses: Sequence[Pose], results: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> Image.Image:
    drawings = [draw_pose(pose, WIDTH, HEIGHT) for pose in turned_poses]
    titles = [f"{360 * number // VIEWS}" for number in range(VIEWS)]
    return contact_sheet([drawings, results, truths], titles)
