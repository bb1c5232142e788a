"""`evaluate`: results of test pairs and their scores, by the paper's protocol (docs/method.md, section 10)."""

import csv
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..poses.framing import Fit, frame_pose
from .generate import generate_pictures, transfer_sheet, truth_picture
from .ground_truth import galleries, pose_name, score_against_truth
from .judge import judge_pair
from .metrics import PAIR_METRICS, SSIM_WINDOW, Lpips, MissingWeightsError, load_fid, load_lpips, ssim, unit_tensors
from .real_pictures import add_real_pictures
from .workers import workers

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
        workers: processes beside each one with a network, which measure its results.
        judge: the folder of what sees poses in results and truths (`judge.judge_pair`).
    """

    width: int = 176
    height: int = 256
    steps: int = 50
    guidance_type: str = "uc_down_full"
    scales: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 16
    seed: int = 3407
    limit: int | None = None
    workers: int = 0
    judge: Path | None = None


def evaluate(
    pipeline: CFLDPipeline, pairs: Pairs, real_photographs: Callable[[], Sequence[Photograph]], out: Path,
    settings: EvaluationSettings,
) -> dict[str, Any]:
    """Make the results of all pairs, over as many processes as accelerate has, and measure them.

    Writes below `out`: `images/<number>.png`, `pairs.csv` with a row a pair, `summary.json`, and `sheet.png`.

    Args:
        real_photographs: called if there is a Fréchet distance; gives what it takes as real, in the paper all of the
            training pictures.

    Returns:
        The summary: `scores`, the means over all pairs (and the one `fid`), `missing`, {metric: why there is none}, and
        the settings. Data sets with silhouettes have scores of their own (see `ground_truth`).

    Raises:
        EvaluationError: for a size that cannot be measured.
        DataError: when `real_photographs` raises it.
    """
    size = settings.width, settings.height
    if min(size) < SSIM_WINDOW:
        least = f"{SSIM_WINDOW}x{SSIM_WINDOW}"
        raise EvaluationError(f"results of {size[0]}x{size[1]} are too small: SSIM looks at {least} pixels")
    accelerator = Accelerator()
    pipeline.to(accelerator.device)
    (out / "images").mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    lpips = _if_present("lpips", load_lpips, accelerator.device, missing)
    fid = _if_present("fid", load_fid, accelerator.device, missing)

    if settings.judge is None:
        missing["pck"] = "no detector was given; 'get blazepose' fetches it, and --blazepose names its file"
    numbers = range(min(len(pairs), settings.limit or len(pairs)))
    batches = [numbers[first : first + settings.batch_size] for first in numbers[:: settings.batch_size]]
    measure = PairMeasure(settings, pairs, numbers, out / "images")
    rows: list[dict[str, Any]] = []
    # Sliced by hand: accelerate's own split would give processes without work the last batch once more.
    own_batches = batches[accelerator.process_index :: accelerator.num_processes]
    with workers(settings.workers) as run:
        results: list[np.ndarray] = []
        measured: Iterator[tuple[dict[str, Any], np.ndarray]] = iter(())
        for batch in tqdm(own_batches, desc="evaluate", unit="batch", disable=not accelerator.is_main_process):
            following = generate_pictures(
                pipeline, [pairs[number] for number in batch], pairs.fit, settings.width, settings.height,
                steps=settings.steps, seed=settings.seed + batch[0], guidance_type=settings.guidance_type,
                scales=settings.scales,
            )
            rows += _with_lpips(lpips, results, measured)  # of the batch before, measured while this one was made
            results = following
            measured = run(measure_pair, map(measure.of, batch, results))
            if fid is not None:
                fid.update(unit_tensors(results).to(accelerator.device), real=False)
        rows += _with_lpips(lpips, results, measured)
        if fid is not None:
            add_real_pictures(
                fid, accelerator, real_photographs(), pairs.fit, size, settings.batch_size, out.parent, run
            )

    rows = sorted(gather_object(rows), key=lambda row: row["number"])
    scores = _means(rows)
    if fid is not None:
        scores["fid"] = float(fid.compute())
    settings_used = asdict(settings) | {"judge": settings.judge is not None}  # its folder says nothing elsewhere
    summary = {"pairs": len(rows), "scores": scores, "missing": missing, "settings": settings_used}
    if accelerator.is_main_process:
        _write_rows(out / "pairs.csv", rows)
        (out / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
        _sheet(out, pairs, numbers, settings).save(out / "sheet.png")
    accelerator.wait_for_everyone()
    return summary


@dataclass(frozen=True)
class MeasuredPair:
    """One result, with all that its scores hang on; small, since it goes to another process."""

    number: int
    result: np.ndarray
    source: Photograph
    target: Photograph
    fit: Fit
    file: Path
    gallery: Sequence[PhotographFile]
    judge: Path | None


def measure_pair(pair: MeasuredPair) -> tuple[dict[str, Any], np.ndarray]:
    """Write the result as a picture; give its row, of number, names and all scores of a single pair, and the truth."""
    Image.fromarray(pair.result).save(pair.file)
    size = pair.result.shape[1], pair.result.shape[0]
    truth, unchanged = (truth_picture(photograph, pair.fit, *size) for photograph in (pair.target, pair.source))
    row: dict[str, Any] = {"number": pair.number, "from": pair.source.name, "to": pair.target.name}
    row |= {name: metric(pair.result, truth) for name, metric in PAIR_METRICS.items()}
    row["ssim_of_source_unchanged"] = ssim(unchanged, truth)
    if pair.gallery and isinstance(pair.target, PhotographFile):
        row |= asdict(score_against_truth(pair.result, truth, pair.target, pair.gallery, pair.fit))
    if pair.judge:
        row |= judge_pair(pair.judge, pair.result, truth, frame_pose(pair.target.pose(), pair.fit))
    return row, truth


class PairMeasure:
    """What `measure_pair` takes, of each pair."""

    def __init__(self, settings: EvaluationSettings, pairs: Pairs, numbers: Sequence[int], folder: Path) -> None:
        self.pairs, self.folder, self.judge = pairs, folder, settings.judge
        self.galleries = galleries([pairs[number][1] for number in numbers], pairs.photographs)

    def of(self, number: int, result: np.ndarray) -> MeasuredPair:
        source, target = self.pairs[number]
        file = self.folder / f"{number:06d}.png"
        gallery = self.galleries.get(pose_name(target), ())
        return MeasuredPair(number, result, source, target, self.pairs.fit, file, gallery, self.judge)


def _with_lpips(
    lpips: Lpips | None, results: Sequence[np.ndarray], measured: Iterable[tuple[dict[str, Any], np.ndarray]]
) -> list[dict[str, Any]]:
    rows = list(measured)
    distances = lpips(unit_tensors(results), unit_tensors([truth for _, truth in rows])) if lpips and rows else []
    return [row | ({"lpips": distances[place]} if lpips else {}) for place, (row, _) in enumerate(rows)]


def _if_present(name: str, load: Callable, device: torch.device, missing: dict[str, str]) -> Any:
    """What `load` gives, or None and the reason in `missing`."""
    try:
        return load(device)
    except MissingWeightsError as error:
        logger.warning("no %s: %s", name, error)
        missing[name] = str(error)
        return None


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    left_out = ("number", "from", "to")
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0] if name not in left_out}


def _write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(file, "w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _sheet(out: Path, pairs: Pairs, numbers: Sequence[int], settings: EvaluationSettings) -> Image.Image:
    places = np.linspace(0, len(numbers), min(SHEET_PAIRS, len(numbers)), endpoint=False).astype(int)
    pair_numbers = [numbers[place] for place in places]
    results = [np.array(Image.open(out / "images" / f"{number:06d}.png")) for number in pair_numbers]
    return transfer_sheet(
        [pairs[number] for number in pair_numbers], results, pairs.fit, settings.width, settings.height
    )
