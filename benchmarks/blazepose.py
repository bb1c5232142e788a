"""BlazePose beside LiteRT, TensorFlow Lite's own runtime: a run of each network; reading the file; a photograph.

Processor time of one thread each, in turns, so that what else the machine does falls on both; medians. LiteRT has a
Python of its own, since it would bring another numpy:

    python -m venv LITERT && LITERT/bin/pip install ai-edge-litert
    pip download --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3.11 -d FOLDER \\
        mediapipe==0.10.21
    python -m benchmarks.blazepose FOLDER --litert LITERT/bin/python [--check]

With --check it ends with status 1 where a network takes more than 3 times LiteRT's time: 2.5, and a fifth more.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cfld_modules.checkpoints.blazepose_file import read_blazepose
from cfld_modules.photographs import read_photograph
from cfld_modules.poses.detection.blazepose import PICTURES, BlazePose
from cfld_modules.poses.detection.graph import Graph

MOST_RATIO, MOST_SECONDS_TO_READ = 2.5 * 1.2, 0.03 * 1.2
PHOTOGRAPH = Path(__file__).parents[1] / "tests" / "data" / "astronaut.jpg"
MEMBERS = {
    "detector": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "landmarks": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
}
# Runs in LiteRT's Python: for each line, a network's name, the seconds of one run of it.
LITERT = """
import json, sys, time, zipfile
import numpy as np
from ai_edge_litert.interpreter import Interpreter
runs = {}
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name, member in json.loads(sys.argv[2]).items():
        runs[name] = interpreter = Interpreter(model_content=wheel.read(member), num_threads=1)
        interpreter.allocate_tensors()
        picture = interpreter.get_input_details()[0]
        interpreter.set_tensor(picture["index"], np.random.default_rng(0).random(picture["shape"], np.float32))
for line in sys.stdin:
    begin = time.process_time()
    runs[line.strip()].invoke()
    print(time.process_time() - begin, flush=True)
"""


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the wheel is")
    parser.add_argument("--litert", required=True, help="a Python that has ai-edge-litert")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    wheel = next(arguments.folder.glob("mediapipe-0.10.21-*.whl"))
    files = [wheel, *arguments.folder.rglob("blazepose.safetensors")]
    slowest = 0.0
    for file in files:
        reads = [seconds(lambda file=file: read_blazepose(file)) for _ in range(7)]
        slowest = max(slowest, statistics.median(reads))
        sys.stdout.write(f"reading {file.name}: {statistics.median(reads) * 1e3:.0f} ms\n")
    networks = {name: Graph(network) for name, network in read_blazepose(wheel).items()}
    detector, photograph = BlazePose(**networks), read_photograph(PHOTOGRAPH)
    looks = [seconds(lambda: detector.find_people(photograph)) for _ in range(7)]
    sys.stdout.write(f"a photograph of 512 pixels: {statistics.median(looks) * 1e3:.0f} ms\n")
    litert = subprocess.Popen(
        [arguments.litert, "-c", LITERT, wheel, json.dumps(MEMBERS)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ratios = {name: ratio_to(litert, name, networks[name], arguments.rounds) for name in networks}
    litert.terminate()
    return int(arguments.check and (max(ratios.values()) > MOST_RATIO or slowest > MOST_SECONDS_TO_READ))


@torch.no_grad()
def ratio_to(litert: subprocess.Popen, name: str, network: Graph, rounds: int) -> float:
    """Ours to LiteRT's time, after two rounds to warm up."""
    picture = torch.from_numpy(np.random.default_rng(0).random(PICTURES[name], np.float32))
    pairs = []
    for _ in range(rounds + 2):
        litert.stdin.write(f"{name}\n")
        litert.stdin.flush()
        pairs.append((seconds(lambda: network(picture)), float(litert.stdout.readline())))
    ours, theirs = (statistics.median(times) * 1e3 for times in zip(*pairs[2:], strict=True))
    ratio = statistics.median(one / other for one, other in pairs[2:])
    sys.stdout.write(f"{name}: {ours:.1f} ms, LiteRT {theirs:.1f} ms, ratio {ratio:.2f}\n")
    return ratio


if __name__ == "__main__":
    sys.exit(main())
