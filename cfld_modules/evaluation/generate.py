"""Samples test pairs, and brings results and true pictures to one size (docs/method.md, sections 7 and 10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..data.pairs import Pairs, Photograph
from ..data.pose_files import NamedPose
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.framing import FRAME_ASPECT, Fit, cut_picture, fit_box
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


def held_out_sheet(pipeline: CFLDPipeline, pairs: Pairs, count: int, steps: int, **guidance: Any) -> Image.Image:
    """`transfer_sheet` of so many pairs, spread evenly over a data set, at the size of the pipeline's pictures."""
    numbers = np.linspace(0, len(pairs), count, endpoint=False).astype(int)
    sheet_pairs = [pairs[number] for number in numbers]
    height = 8 * pipeline.latent_side
    width = round(height * FRAME_ASPECT)
    results = generate_pictures(pipeline, sheet_pairs, pairs.fit, width, height, steps=steps, seed=0, **guidance)
    return transfer_sheet(sheet_pairs, results, pairs.fit, width, height)


def transfer_sheet(
    pairs: Sequence[tuple[Photograph, Photograph]], results: Sequence[np.ndarray], fit: Fit, width: int, height: int
) -> Image.Image:
    """Source, pose, result, RGB uint8 (height, width, 3), and truth of each pair in a row."""
    rows = [
        [
            truth_picture(source, fit, width, height), draw_pose_in_style(target.pose(), width, height, "cfld"),
            result, truth_picture(target, fit, width, height),
        ]
        for (source, target), result in zip(pairs, results, strict=True)
    ]
    return contact_sheet(rows, ("source", "pose", "result", "truth"))
