"""Results and truths of pairs, at the size they are measured at (docs/method.md, sections 7 and 10)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from ..data.pairs import Photograph
from ..data.pose_files import NamedPose
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.framing import Fit, cut_picture, fit_box
from ..poses.pose_drawing import draw_pose_in_style
from .sheet import contact_sheet


def generate_pictures(
    pipeline: CFLDPipeline, pairs: Sequence[tuple[Photograph, NamedPose]], fit: Fit, width: int, height: int, *,
    steps: int, seed: int, guidance_type: str = "uc_down_full", scales: Mapping[str, float] | None = None,
) -> list[np.ndarray]:
    """The sources' people in the targets' poses, as one batch: RGB uint8 (height, width, 3) each."""
    sources = [Image.fromarray(source.picture()) for source, _ in pairs]
    poses = [target.pose() for _, target in pairs]
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    results = pipeline(
        sources, poses, fit=fit, guidance_type=guidance_type, scales=scales, steps=steps, generator=generator,
        width=width, height=height,
    )
    return [np.array(result) for result in results]


def truth_picture(photograph: Photograph, fit: Fit, width: int, height: int) -> np.ndarray:
    """What a perfect result would be, RGB uint8 (height, width, 3): the photograph resized by PIL's bicubic filter."""
    picture = photograph.picture()
    cut = cut_picture(picture, fit_box(picture.shape[1], picture.shape[0], fit))
    return np.array(Image.fromarray(cut).resize((width, height), Image.Resampling.BICUBIC))


def transfer_sheet(
    pairs: Sequence[tuple[Photograph, Photograph]], results: Sequence[np.ndarray], fit: Fit, width: int, height: int,
    scale: int = 1,
) -> Image.Image:
    """Source, pose, result and truth of each pair in a row.

    Args:
        results: RGB uint8 (height, width, 3), one a pair.
        scale: whole number by which the pictures are enlarged, pixel by pixel.
    """
    rows = [
        [
            truth_picture(source, fit, width, height), draw_pose_in_style(target.pose(), width, height, "cfld"),
            result, truth_picture(target, fit, width, height),
        ]
        for (source, target), result in zip(pairs, results, strict=True)
    ]
    enlarged = [[np.kron(picture, np.ones((scale, scale, 1), np.uint8)) for picture in row] for row in rows]
    return contact_sheet(enlarged, ("source", "pose", "result", "truth"))
