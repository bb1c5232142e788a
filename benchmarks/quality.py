"""How good the demo model's results are for how many U-Net rows a picture: samplers, guidance, and the distilled LoRA.

All ways make the same held-out pairs from the same noise, as `python -m cfld_modules evaluate` does, whose scores these
are. A way is made once; what is in the output folder is kept. Writes quality.json, quality.md and quality.png.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from report import write_report
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfld_modules.data.deepfashion import DeepFashionData  # noqa: E402
from cfld_modules.demo_model import BASE_FOLDER, CFLD_FILE, HEIGHT, WIDTH  # noqa: E402
from cfld_modules.demo_people import FOLDER  # noqa: E402
from cfld_modules.evaluation.evaluate import EvaluationSettings, PairMeasure, measure_pair  # noqa: E402
from cfld_modules.evaluation.generate import generate_pictures  # noqa: E402
from cfld_modules.evaluation.models import load_pipeline  # noqa: E402
from cfld_modules.guidance import SCALES_OF  # noqa: E402
from cfld_modules.pipeline.cfld_pipeline import PAPER_SCALE, CFLDPipeline  # noqa: E402

SCORES = {"ssim": "SSIM", "psnr": "PSNR, dB", "retrieved": "retrieval", "silhouette_iou": "silhouette"}
FULL_ROW = {"guidance_type": "uc_full", "scale": 1.0}
COLOURS = 10  # of lines, before they come again
SETTINGS = EvaluationSettings(WIDTH, HEIGHT)


@dataclass(frozen=True)
class Way:
    """A way of sampling; `guided` are the noisiest and the cleanest timestep with guidance."""

    line: str
    scheduler: str
    steps: int
    guidance_type: str = "uc_down_full"
    scale: float = PAPER_SCALE
    lora: bool = False
    guided: tuple[int, int] = (999, 0)

    @property
    def name(self) -> str:
        return f"{self.line}, {self.steps}".replace(", ", "-").replace(" ", "_")

    @property
    def scales(self) -> dict[str, float]:
        return {name: self.scale for name in SCALES_OF[self.guidance_type]}


def all_ways() -> list[Way]:
    """In groups, which are the lines of the plot."""
    student = {"lora": True, **FULL_ROW}
    return [
        *(Way("ddim, two rows", "ddim", steps) for steps in (2, 4, 8, 20, 50)),
        *(Way("ddim from 999, two rows", "ddim_trailing", steps) for steps in (1, 2, 4, 8)),
        *(Way("ddim, one row", "ddim", steps, **FULL_ROW) for steps in (2, 4, 8, 20)),
        *(Way("ddim from 999, one row", "ddim_trailing", steps, **FULL_ROW) for steps in (1, 2, 4, 8)),
        *(Way("lcm, one row", "lcm", steps, **FULL_ROW) for steps in (1, 2, 4, 8)),
        *(Way("distilled, lcm, one row", "lcm", steps, **student) for steps in (1, 2, 4, 8)),
        *(Way("distilled, ddim from 999, one row", "ddim_trailing", steps, **student) for steps in (1, 2, 4, 8)),
        *(Way(f"{name}, two rows", name, steps) for name in ("euler", "dpm++", "unipc") for steps in (4, 8, 20, 50)),
        *(Way("ddim, updown_full", "ddim", steps, "updown_full") for steps in (4, 8, 20)),
        *(Way("ddim, guided to 500", "ddim", steps, guided=(999, 500)) for steps in (4, 8, 20)),
        *(Way("ddim, guided from 500", "ddim", steps, guided=(500, 0)) for steps in (4, 8, 20)),
    ]


class IntervalPipeline(CFLDPipeline):
    """Guides at some timesteps only, and counts the U-Net's rows."""

    way: Way
    rows: int

    def guided_epsilon(self, latents: torch.Tensor, timestep: Any, weights: Mapping[str, float], *rest: Any) -> Any:
        noisiest, cleanest = self.way.guided
        used = weights if cleanest <= int(timestep) <= noisiest else {"full": 1.0}
        self.rows += len(used)
        return super().guided_epsilon(latents, timestep, used, *rest)


def make_results(ways: Sequence[Way], data: Path, out: Path, count: int, lora: Path) -> None:
    """A file of pairs' scores for each way, named by it; in batches and with noise as `evaluate` has them."""
    pairs = DeepFashionData("deepfashion", data).pairs("test")
    numbers = range(min(count, len(pairs)))
    measures = {way: PairMeasure(SETTINGS, pairs, numbers, out / way.name) for way in ways}
    for measure in measures.values():
        measure.folder.mkdir(parents=True, exist_ok=True)
    pipelines = {way: pipeline_of(way, lora) for way in ways}
    scores: dict[Way, list[dict]] = {way: [] for way in ways}
    for first in tqdm(numbers[:: SETTINGS.batch_size], unit="batch"):
        batch = numbers[first : first + SETTINGS.batch_size]
        results = {}
        for way, pipeline in pipelines.items():
            pipeline.rows = 0
            results[way] = generate_pictures(
                pipeline, [pairs[number] for number in batch], pairs.fit, WIDTH, HEIGHT, steps=way.steps,
                seed=SETTINGS.seed + first, guidance_type=way.guidance_type, scales=way.scales,
            )
        for place, number in enumerate(batch):  # one pair's results in a row, which share what they are compared with
            for way in ways:
                row, _ = measure_pair(measures[way].of(number, results[way][place]))
                scores[way].append(row | {"rows": pipelines[way].rows})
    for way in ways:
        (out / f"{way.name}.json").write_text(json.dumps(scores[way]), encoding="utf-8")


def pipeline_of(way: Way, lora: Path) -> IntervalPipeline:
    loaded = load_pipeline(BASE_FOLDER, CFLD_FILE, way.scheduler, lora if way.lora else None)
    pipeline = IntervalPipeline(**loaded.components)
    pipeline.way = way
    return pipeline


def summarise(ways: Sequence[Way], out: Path) -> list[dict]:
    table = []
    for way in ways:
        file = out / f"{way.name}.json"
        if file.is_file():
            pairs = json.loads(file.read_text(encoding="utf-8"))
            means = {title: float(np.mean([pair[score] for pair in pairs])) for score, title in SCORES.items()}
            table.append({"way": way.line, "steps": way.steps, "rows": pairs[0]["rows"]} | means)
    return table


def plot(table: Sequence[Mapping[str, Any]], file: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
    for axis, title in zip(axes, ("SSIM", "retrieval", "silhouette"), strict=True):
        for number, line in enumerate(dict.fromkeys(row["way"] for row in table)):
            points = sorted((row["rows"], row[title]) for row in table if row["way"] == line)
            distilled = line.startswith("distilled")
            axis.plot(
                *zip(*points, strict=True), "o--" if number >= COLOURS else "o-", label=line,
                linewidth=2.5 if distilled else 1,
            )
        axis.set(xscale="log", xlabel="U-Net rows a picture", title=title)
        axis.set_xticks(ticks := (1, 2, 4, 8, 16, 40, 100), [str(tick) for tick in ticks], minor=False)
        axis.minorticks_off()
        best = max(row[title] for row in table)
        axis.set_ylim(0.8 * best, best + 0.01)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=FOLDER, help="of 'data people' (the bundled ones)")
    parser.add_argument("--out", type=Path, default=Path("output/quality"))
    parser.add_argument("--pairs", type=int, default=200, help="the first so many (%(default)s)")
    parser.add_argument("--lines", nargs="+", default=[""], help="only lines whose name begins so")
    parser.add_argument("--most-steps", type=int, default=50)
    parser.add_argument(
        "--lora", type=Path, default=Path("output/demo_distil/lora.safetensors"),
        help="what configs/demo/3_lora.yaml makes; without it the distilled ways are left out (%(default)s)",
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = tuple(options.lines)
    ways = [
        way for way in all_ways()
        if way.line.startswith(lines) and way.steps <= options.most_steps and (options.lora.is_file() or not way.lora)
    ]
    missing = [way for way in ways if not (options.out / f"{way.name}.json").is_file()]
    if missing:
        make_results(missing, options.data, options.out, options.pairs, options.lora)
    table = summarise(all_ways(), options.out)
    write_report(options.out / "quality", "Quality against rows", "python benchmarks/quality.py", table)
    plot(table, options.out / "quality.png")


if __name__ == "__main__":
    main()
