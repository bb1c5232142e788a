"""Two processes share the work of a command and end with what one would have made; all of it by one launch.

Started by torchrun: `accelerate launch --cpu --num_processes 2` starts a single process (seen with 1.15).
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.evaluation.evaluate import EvaluationSettings, evaluate
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.poses.keypoints import write_pose_keypoints
from cfld_modules.settings import parse_settings
from cfld_modules.training.run_settings import train
from cfld_modules.training.train import TrainSettings
from tests.bundled_people import write_people
from tests.micro_run import MICRO_CFLD, configuration, losses

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo_model"
MODEL = ["--base", DEMO / "base", "--cfld", DEMO / "cfld.safetensors"]
WIDTH, HEIGHT = 88, 128
# In each process: a checkpoint that the second one cannot read, then the commands, of which training comes last, since
# it ends the processes' connection.
PROGRAM = """
import io, json, os, sys
from contextlib import redirect_stdout
from pathlib import Path
import torch
from accelerate import Accelerator
from cfld_modules.command_line import main
from cfld_modules.training.run_checkpoints import Progress, RunCheckpoints, RunState

def load_latest(folder):
    accelerator = Accelerator(cpu=True)
    checkpoints = RunCheckpoints(folder, 3)
    model = torch.nn.Linear(1, 1)
    state = RunState(dict(model.named_parameters()), torch.optim.Adam(model.parameters()), Progress())
    for step in (1, 2):
        state.progress.step = step
        checkpoints.save(accelerator, state)
    read = RunState.read
    def fail(state, folder):
        if folder.name.endswith("2"):
            raise OSError("Input/output error")
        read(state, folder)
    if accelerator.process_index == 1:  # a machine whose disk fails
        RunState.read = fail
    latest = checkpoints.load_latest(state).name
    RunState.read = read
    return [accelerator.num_processes, latest]

folder = Path(sys.argv[1])
said = {"checkpoint": load_latest(folder / "checkpoints")}
for name, arguments in json.loads((folder / "commands.json").read_text()).items():
    with redirect_stdout(io.StringIO()) as output:
        said[name] = [main(arguments), output]
    said[name][1] = output.getvalue()
(folder / f"said-{os.environ['RANK']}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three people to train on, one to test on, in four poses each."""
    folder = tmp_path_factory.mktemp("data")
    write_people(folder, people=3, test_people=1, pictures=4)
    return DeepFashionData("deepfashion", folder)


@pytest.fixture(scope="module")
def launched(folder, data, tmp_path_factory):
    """The folder of the outputs, what each process said by name, and what both wrote to stderr."""
    out = tmp_path_factory.mktemp("two")
    frames = write_pose_keypoints([photograph.pose() for photograph in data.pairs("test").photographs])
    (out / "poses.json").write_text(json.dumps(frames))
    (out / "train.yaml").write_text(yaml.safe_dump(training(folder, out / "trained", batch_size=1)))
    commands = {
        "evaluate": [
            "evaluate", *MODEL, "--data", data.root, "--out", out / "evaluated", "--size", f"{WIDTH}x{HEIGHT}",
            "--steps", 2, "--scheduler", "ddim", "--batch", 2, "--workers", 0,
        ],
        "augment": [
            "augment", *MODEL, "--data", data.root, "--pictures", 1, "--poses", out / "poses.json", "--out",
            out / "set", "--size", f"{WIDTH}x{HEIGHT}", "--steps", 2, "--scheduler", "ddim", "--embedder",
            "clothes", "--min-confidence", 0.1, "--retries", 1, "--seeds", 5,
        ],
        "train": ["train", out / "train.yaml"],
    }  # fmt: skip
    (out / "program.py").write_text(PROGRAM)
    (out / "commands.json").write_text(json.dumps({name: list(map(str, words)) for name, words in commands.items()}))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", out / "program.py"]
    finished = subprocess.run(
        [sys.executable, *launch, out], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {
            "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        },
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return out, [json.loads((out / f"said-{rank}.json").read_text()) for rank in (0, 1)], finished.stderr


def training(folder, output, batch_size):
    """Two steps that change no weight."""
    content = configuration(folder, output, {"steps": 2, "batch_size": batch_size, "learning_rate": 1e-12})
    content["model"]["cfld"] = MICRO_CFLD | {"source": MICRO_CFLD["source"] | {"drop_path": 0.0}}
    return content


def of_main_process(said, command):
    """What the main process printed; the other one prints nothing."""
    assert [process[command][0] for process in said] == [0, 0]
    assert said[1][command][1] == ""
    return said[0][command][1]


def table(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def test_where_one_process_cannot_read_a_checkpoint_all_take_the_one_before(launched):
    _, said, _ = launched
    assert [process["checkpoint"] for process in said] == [[2, "step-00000001"]] * 2


def test_two_processes_measure_the_same_pairs_once_each(launched, data, tmp_path):
    """Three pairs in batches of two, so that the second process has fewer."""
    out, said, log = launched
    assert "evaluate:   0%|          | 0/1 [" in log, "the main process has one of the two batches"
    assert json.loads(of_main_process(said, "evaluate"))["ssim"]
    settings = EvaluationSettings(width=WIDTH, height=HEIGHT, steps=2, batch_size=2)
    pairs = data.pairs("test")
    evaluate(load_pipeline(MODEL[1], MODEL[3], "ddim"), pairs, lambda: [], tmp_path, settings)
    one, two = (table(folder / "pairs.csv") for folder in (tmp_path, out / "evaluated"))
    assert [row["to"] for row in one] == [target.name for _, target in pairs]
    assert [[row[name] for name in ("number", "from", "to")] for row in two] == [
        [row[name] for name in ("number", "from", "to")] for row in one
    ]
    for first, second in zip(one, two, strict=True):
        for name in ("ssim", "psnr", "silhouette_iou"):
            assert float(second[name]) == pytest.approx(float(first[name]), abs=0.01)


def test_two_processes_make_a_set_of_people(launched):
    """By the demo model, with the features of clothes as the filter."""
    out, said, log = launched
    assert "augment:   0%|          | 0/2 [" in log, "the main process has two of the three people"
    summary, rows = json.loads(of_main_process(said, "augment")), table(out / "set" / "manifest.csv")
    assert summary["wanted"] == 3 and summary["kept"] == len(rows) > 0
    assert all(row["pose"].startswith("poses.json#") for row in rows)


def test_two_processes_give_the_gradients_of_the_doubled_batch(launched, folder, tmp_path):
    """After two steps without a change of weights, Adam's first moment is a fixed combination of two gradients."""
    out, said, _ = launched
    of_main_process(said, "train")
    train(parse_settings(training(folder, tmp_path / "one", batch_size=2), TrainSettings))
    moments, values = [], []
    for output in (out / "trained", tmp_path / "one"):
        state = load_file(output / "checkpoints" / "step-00000002" / "optimizer.safetensors")
        moments.append(torch.cat([state[name].flatten() for name in sorted(state) if name.endswith(".exp_avg")]))
        values.append(losses(output))
    assert moments[0].abs().max() > 1e-3
    # Float32 noise of differently blocked sums: 1.3e-5 on a processor with AVX2, less with AVX-512. A mixed-up share of
    # the samples changes the gradients by a large part of themselves.
    assert (moments[0] - moments[1]).abs().max() < 3e-5 * moments[1].abs().max()
    assert values[0] == pytest.approx(values[1], rel=1e-5)
