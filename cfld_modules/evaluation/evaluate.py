"""`evaluate`: results of test pairs and their scores, by the paper's protocol (docs/method.md, section 10)."""

import csv
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from tqdm import tqdm

from ..data.pairs import Pairs, Photograph, PhotographFile
from ..mannequins.photograph import MannequinPhotograph, parse_mannequin_name
from ..mannequins.scores import score_mannequin
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.detection.blazepose import BlazePose
from ..poses.framing import ASPECT_TOLERANCE, FRAME_ASPECT, frame_pose
from .generate import generate_pictures, transfer_sheet, truth_picture
from .ground_truth import GroundTruth, has_ground_truth
from .judge import judge_picture
from .metrics import PAIR_METRICS, SSIM_WINDOW, MissingWeightsError, load_fid, load_lpips, ssim, unit_tensor

SHEET_PAIRS = 12

logger = logging.getLogger("cfld")


class EvaluationError(ValueError):
    """Results of this size cannot be measured."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How results are made and measured; the defaults are the paper's at 256x176.

    Attributes:
        width, height: of results and truths in pixels.
        scales: guidance scales by name, 2.0 where not given.
        batch_size: pairs at a time; the pairs of a batch share a noise generator, so results depend on it, but not on
            the number of processes.
        limit: evaluate the first so many pairs only.
    """

    width: int = 176
    height: int = 256
    steps: int = 50
    guidance_type: str = "uc_down_full"
    scales: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 16
    seed: int = 3407
    limit: int | None = None


def evaluate(
    pipeline: CFLDPipeline, pairs: Pairs, real_photographs: Callable[[], Sequence[Photograph]], out: Path,
    settings: EvaluationSettings, judge: BlazePose | None = None,
) -> dict[str, Any]:
    """Make the results of all pairs, over as many processes as accelerate has, and measure them.

    Writes below `out`: `images/<number>.png`, `pairs.csv` with a row a pair, `summary.json`, and `sheet.png`.

    Args:
        real_photographs: called if there is a Fréchet distance; gives what it takes as real, in the paper all of the
            training pictures.
        judge: what sees poses in results and truths (`judge.judge_picture`), if there is one.

    Returns:
        The summary: `scores`, the means over all pairs (and the one `fid`), `missing`, {metric: why there is none}, and
        the settings. Mannequins, told by their names, have scores of their own (see `mannequins.scores`),
        and so do data sets with silhouettes (see `ground_truth`).

    Raises:
        EvaluationError: for a size that cannot be measured.
        DataError: when `real_photographs` raises it.
    """
    if min(settings.width, settings.height) < SSIM_WINDOW:
        size = f"{settings.width}x{settings.height}"
        raise EvaluationError(f"results of {size} are too small: SSIM looks at {SSIM_WINDOW}x{SSIM_WINDOW} pixels")
    accelerator = Accelerator()
    pipeline.to(accelerator.device)
    (out / "images").mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    lpips = _if_present("lpips", load_lpips, accelerator.device, missing)
    fid = _if_present("fid", load_fid, accelerator.device, missing)

    numbers = range(min(len(pairs), settings.limit or len(pairs)))
    batches = [numbers[first : first + settings.batch_size] for first in numbers[:: settings.batch_size]]
    measure = PairMeasure(settings, pairs, numbers, lpips, judge)
    if judge is None:
        missing["pck"] = "no detector was given; 'get blazepose' fetches it, and --blazepose names its file"
    rows: list[dict[str, Any]] = []
    # Sliced by hand: accelerate's own split would give processes without work the last batch once more.
    own_batches = batches[accelerator.process_index :: accelerator.num_processes]
    for batch in tqdm(own_batches, desc="evaluate", unit="batch", disable=not accelerator.is_main_process):
        results = generate_pictures(
            pipeline, [pairs[number] for number in batch], pairs.fit, settings.width, settings.height,
            steps=settings.steps, seed=settings.seed + batch[0], guidance_type=settings.guidance_type,
            scales=settings.scales,
        )
        for number, result in zip(batch, results, strict=True):
            Image.fromarray(result).save(out / "images" / f"{number:06d}.png")
            rows.append(measure(number, result))
        if fid is not None:
            fid.update(_stack(results).to(accelerator.device), real=False)
    if fid is not None:
        own_photographs = real_photographs()[accelerator.process_index :: accelerator.num_processes]
        for photograph in tqdm(own_photographs, desc="real pictures", disable=not accelerator.is_main_process):
            picture = truth_picture(photograph, pairs.fit, settings.width, settings.height)
            fid.update(_stack([picture]).to(accelerator.device), real=True)

    rows = sorted(gather_object(rows), key=lambda row: row["number"])
    scores = _means(rows)
    if fid is not None:
        scores["fid"] = float(fid.compute())
    summary = {"pairs": len(rows), "scores": scores, "missing": missing, "settings": asdict(settings)}
    if accelerator.is_main_process:
        _write_rows(out / "pairs.csv", rows)
        (out / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
        _sheet(out, pairs, numbers, settings).save(out / "sheet.png")
    accelerator.wait_for_everyone()
    return summary


class PairMeasure:
    """One result's row: its number, the names of its pair, and all scores of a single pair."""

    def __init__(
        self, settings: EvaluationSettings, pairs: Pairs, numbers: Sequence[int],
        lpips: Callable[[np.ndarray, np.ndarray], float] | None, judge: BlazePose | None,
    ) -> None:
        self.judge = judge
        self.pairs, self.size = pairs, (settings.width, settings.height)
        self.metrics = PAIR_METRICS | ({"lpips": lpips} if lpips else {})
        targets = {number: parse_mannequin_name(pairs[number][1].name) for number in numbers}
        self.mannequins: dict[int, MannequinPhotograph] = {}
        if all(targets.values()):
            self.mannequins = {number: target for number, target in targets.items() if target}
            if abs(settings.width / settings.height / FRAME_ASPECT - 1) > ASPECT_TOLERANCE:
                raise EvaluationError(f"mannequins are 176x256, and results must have that aspect, not {self.size}")
        self.people = sorted({target.identity_seed for target in self.mannequins.values()})
        self.ground_truth: GroundTruth | None = None
        if not self.mannequins and has_ground_truth([pairs[number][1] for number in numbers]):
            self.ground_truth = GroundTruth(pairs, self.size)

    def __call__(self, number: int, result: np.ndarray) -> dict[str, Any]:
        source, target = self.pairs[number]
        truth, unchanged = (truth_picture(photograph, self.pairs.fit, *self.size) for photograph in (target, source))
        row: dict[str, Any] = {"number": number, "from": source.name, "to": target.name}
        row |= {name: metric(result, truth) for name, metric in self.metrics.items()}
        row["ssim_of_source_unchanged"] = ssim(unchanged, truth)
        if self.mannequins:
            row |= asdict(score_mannequin(result, truth, self.mannequins[number], self.people))
        if self.ground_truth and isinstance(target, PhotographFile):
            row |= asdict(self.ground_truth.score(result, truth, target))
        if self.judge:
            asked = frame_pose(target.pose(), self.pairs.fit)
            row |= asdict(judge_picture(self.judge, result, asked))
            of_truth = asdict(judge_picture(self.judge, truth, asked))
            row |= {f"{name}_of_truth": score for name, score in of_truth.items()}
        return row


def _if_present(name: str, load: Callable, device: torch.device, missing: dict[str, str]) -> Any:
    """What `load` gives, or None and the reason in `missing`."""
    try:
        return load(device)
    except MissingWeightsError as error:
        logger.warning("no %s: %s", name, error)
        missing[name] = str(error)
        return None


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    left_out = ("number", "from", "to", "nearest")
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0] if name not in left_out}


def _write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(file, "w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _sheet(out: Path, pairs: Pairs, numbers: Sequence[int], settings: EvaluationSettings) -> Image.Image:
    places = np.linspace(0, len(numbers), min(SHEET_PAIRS, len(numbers)), endpoint=False).astype(int)
    shown = [numbers[place] for place in places]
    results = [np.array(Image.open(out / "images" / f"{number:06d}.png")) for number in shown]
    return transfer_sheet(
        [pairs[number] for number in shown], results, pairs.fit, settings.width, settings.height
    )


def _stack(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.stack([unit_tensor(picture) for picture in pictures])
