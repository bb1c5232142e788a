"""What surrounds the U-Net, on one thread: drawing poses, training samples, reading data sets, measuring results.

Milliseconds of CPU time, medians. With `--beside FOLDER`, another checkout of this project, both take turns, each turn
in a process of its own. The flag compares with what is stated in units of the machine's own yardstick: how long Pillow
takes to squash a photo of the training set's size to 512x512. Writes around.json and around.md.
"""

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from report import against, benchmark_parser, write_report

ROOT = Path(__file__).parents[1]
YARDSTICK = "yardstick: a photo of 750x1101 squashed by Pillow to 512x512"
GOALS = {  # ms (or MB) on the machine of docs/performance.md, and what is stated there, in yardsticks (or MB)
    "pose maps of a pose, 256 px": (2.0, 0.35),
    "Draw Pose 352x512, cfld": (1.5, 0.25),
    "Draw Pose 352x512, openpose": (1.5, 0.13),
    "training sample with pictures": (12.0, 5.5),
    "training sample with latents": (None, 2.5),
    "annotations, a row": (0.06, 0.016),
    "a folder's picture": (0.12, 0.12),
    "evaluate, a pair in a worker": (None, 8.0),
    "evaluate, a pair in the main process": (15.0, 0.15),
    "MB of a sample with pictures": (1.0, 2.43),  # of which the pixels of two pictures are 1.57
    "MB of a sample with latents": (1.0, 1.12),
}
FIGURE = np.array([
    (88, 30), (88, 60), (65, 62), (55, 100), (50, 135), (111, 62), (121, 100), (126, 135), (75, 135), (72, 185),
    (70, 235), (101, 135), (104, 185), (106, 235), (82, 25), (94, 25), (76, 28), (100, 28),
], float)  # fmt: skip
PEOPLE, ROWS = 4, 600


def figures(count: int) -> np.ndarray:
    return FIGURE + np.random.default_rng(0).normal(0, 2, (count, *FIGURE.shape))


@contextmanager
def data_sets() -> Iterator[Path]:
    """Photos of the training set's size; the authors' layout and a plain folder, whose pictures are tiny."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = Image.open(ROOT / "tests" / "data" / "astronaut.jpg").convert("RGB").resize((750, 1101))
        for number in range(PEOPLE):
            photo.rotate(number).save(folder / f"{number}.jpg", quality=90)
        Image.new("RGB", (44, 64), (200, 180, 160)).save(folder / "tiny.jpg")
        tiny = (folder / "tiny.jpg").read_bytes()
        (folder / "authors" / "train_highres").mkdir(parents=True)
        (folder / "plain").mkdir()
        lines = ["name:keypoints_y:keypoints_x"]
        for number, points in enumerate(figures(ROWS)):
            y, x = (json.dumps(points[:, axis].round().astype(int).tolist()) for axis in (1, 0))
            lines.append(f"{number}.jpg:{y}:{x}")
            (folder / "authors" / "train_highres" / f"{number}.jpg").write_bytes(tiny)
            (folder / "plain" / f"p{number // 4:05d}_{number}.jpg").write_bytes(tiny)
            body = [value for x, y in (points / 4).tolist() for value in (x, y, 1.0)]
            frame = {"people": [{"pose_keypoints_2d": body}], "canvas_width": 44, "canvas_height": 64}
            (folder / "plain" / f"p{number // 4:05d}_{number}.json").write_text(json.dumps([frame]))
        (folder / "authors" / "fashion-resize-annotation-train.csv").write_text("\n".join(lines))
        (folder / "authors" / "fashion-resize-pairs-train.csv").write_text("from,to\n0.jpg,1.jpg\n")
        yield folder


def milliseconds(function: Callable[[], object], rounds: int = 9) -> float:
    """Median, without the first."""
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times[1:]) * 1e3


def measure(root: Path) -> dict[str, float]:
    """The build in `root`, in this process."""
    sys.path.insert(0, str(root))
    from cfld_modules.data.deepfashion import DeepFashionData
    from cfld_modules.data.folder import FolderData
    from cfld_modules.data.pairs import Pairs, PhotographFile
    from cfld_modules.evaluation import evaluate
    from cfld_modules.evaluation.generate import truth_picture
    from cfld_modules.poses.keypoints import Pose
    from cfld_modules.poses.pose_drawing import draw_pose_in_style
    from cfld_modules.poses.pose_maps import pose_maps
    from cfld_modules.training.samples import Augmentation, PairSamples

    torch.set_num_threads(1)
    poses = [Pose(points, 176, 256) for points in figures(10)]
    with data_sets() as folder:
        photographs = [PhotographFile(f"{n}.jpg", folder / f"{n}.jpg", poses[n]) for n in range(PEOPLE)]
        pairs = Pairs(photographs, [(0, 1), (1, 0), (2, 3), (3, 2)])
        with_pictures = PairSamples(pairs, 256, 64, 7, Augmentation())
        with_latents = PairSamples(pairs, 256, 64, 7, Augmentation(), torch.zeros(PEOPLE, 8, 64, 64))
        photo = Image.open(folder / "0.jpg").convert("RGB")
        result = truth_picture(photographs[2], "stretch", 176, 256)
        settings = evaluate.EvaluationSettings()
        if hasattr(evaluate, "measure_pair"):
            prepared = evaluate.PairMeasure(settings, pairs, range(4), folder)
            row = lambda: evaluate.measure_pair(prepared.of(0, result))  # noqa: E731
            measured = row()
            handed_over = lambda: (pickle.dumps(prepared.of(0, result)), pickle.loads(pickle.dumps(measured)))  # noqa: E731
        else:
            measure_pair = evaluate.PairMeasure(settings, pairs, range(4), None)
            row = lambda: (Image.fromarray(result).save(folder / "0.png"), measure_pair(0, result))  # noqa: E731
            handed_over = row
        squash = lambda: photo.resize((512, 512), Image.Resampling.BICUBIC)  # noqa: E731
        authors, plain = DeepFashionData("deepfashion", folder / "authors"), FolderData("folder", folder / "plain")
        read = len(plain.pairs("train").photographs)
        maps = lambda: [pose_maps([pose], 256) for pose in poses]  # noqa: E731
        draw = lambda style: [draw_pose_in_style(pose, 352, 512, style) for pose in poses]  # noqa: E731
        return {
            YARDSTICK: milliseconds(squash),
            "pose maps of a pose, 256 px": milliseconds(maps) / len(poses),
            "Draw Pose 352x512, cfld": milliseconds(lambda: draw("cfld")) / len(poses),
            "Draw Pose 352x512, openpose": milliseconds(lambda: draw("openpose")) / len(poses),
            "training sample with pictures": milliseconds(lambda: with_pictures[0]),
            "training sample with latents": milliseconds(lambda: with_latents[0]),
            "annotations, a row": milliseconds(lambda: authors.pairs("train"), 3) / ROWS,
            "a folder's picture": milliseconds(lambda: plain.pairs("train"), 3) / read,
            "evaluate, a pair in a worker": milliseconds(row),
            "evaluate, a pair in the main process": milliseconds(handed_over),
            "MB of a sample with pictures": sum(tensor.nbytes for tensor in with_pictures[0].values()) / 1e6,
            "MB of a sample with latents": sum(tensor.nbytes for tensor in with_latents[0].values()) / 1e6,
        }


def main() -> None:
    parser = benchmark_parser(__doc__, 3)
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure)))
        return
    builds = {"ms": ROOT} | ({"ms beside": options.beside.resolve()} if options.beside else {})
    runs: dict[str, list[dict[str, float]]] = {build: [] for build in builds}
    for _ in range(options.rounds):
        for build, root in builds.items():
            runs[build].append(json.loads(subprocess.check_output([sys.executable, __file__, "--measure", root])))
    table = []
    for name in runs["ms"][0]:
        row: dict = {"what": name} | {build: statistics.median(one[name] for one in runs[build]) for build in builds}
        if options.beside:
            row["ratio"] = row["ms"] / row["ms beside"]
        goal, stated = GOALS.get(name, (None, None))
        units = [1.0 if name.startswith("MB") else one[YARDSTICK] for one in runs["ms"]]
        figure = statistics.median(one[name] / unit for one, unit in zip(runs["ms"], units, strict=True))
        table.append(row | {"goal": goal, "yardsticks": figure} | against(figure, stated))
    notes = f"CPU time, one thread, medians of {options.rounds} processes."
    write_report(options.out / "around", "Around the U-Net", " ".join(["python", *sys.argv]), table, notes)


if __name__ == "__main__":
    main()
