"""What Load Pose costs the page and the queue among many files, beside core's Load Image over the same folder.

In a real server: `GET /object_info` of each node with 10,000 poses in the input folder, and `POST /prompt` of a graph
with a wire into Load Pose beside 300 poses of the user's own. Medians. Runs under the host's own Python. Writes
listing.json and listing.md.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from report import against, benchmark_parser, write_report

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT)]
import host  # noqa: E402
from comfy_server import Server, running_server  # noqa: E402

INPUT_POSES, OWN_POSES = 10_000, 300
POSE = (ROOT / "web" / "poses" / "a_pose.json").read_text(encoding="utf-8")


def seconds(function: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def queued(server: Server) -> float:
    """Seconds from the prompt's posting to its end; its name comes from a node that has the text, so by a wire."""
    prompt = {
        "name": {"class_type": "PrimitiveString", "inputs": {"value": "a_pose"}},
        "pose": {"class_type": "CFLDLoadPose", "inputs": {"pose": ["name", 0]}},
        "draw": {
            "class_type": "CFLDDrawPose", "inputs": {"pose": ["pose", 0], "width": 16, "height": 16, "style": "cfld"},
        },
        "preview": {"class_type": "PreviewImage", "inputs": {"images": ["draw", 0]}},
    }  # fmt: skip
    start = time.perf_counter()
    server.finish(prompt)
    return time.perf_counter() - start


def main() -> None:
    options = benchmark_parser(__doc__, 9).parse_args()
    comfy = host.need_host()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = folder / "user" / "default" / "cfld" / "poses"
        own.mkdir(parents=True)
        (folder / "input").mkdir()
        with running_server(comfy, folder) as server:
            without = seconds(lambda: queued(server), options.rounds)
            for number in range(OWN_POSES):
                (own / f"{number:05d}.json").write_text(POSE)
            with_own = seconds(lambda: queued(server), options.rounds)
            for number in range(INPUT_POSES):
                (folder / "input" / f"{number:05d}.json").write_text(POSE)
            info = {
                node: seconds(lambda node=node: server.get(f"/object_info/{node}"), options.rounds)
                for node in ("CFLDLoadPose", "LoadImage")
            }
    ratio = info["CFLDLoadPose"] / info["LoadImage"]
    table = [
        {"what": f"/object_info of Load Pose, {INPUT_POSES} poses", "s": info["CFLDLoadPose"],
         "beside": info["LoadImage"], "ratio": ratio} | against(ratio, 1.2 / 1.2),
        {"what": f"a wire into Load Pose, {OWN_POSES} own poses", "s": with_own, "beside": without,
         "ratio": with_own / without} | against(with_own - without, 0.03),
    ]  # fmt: skip
    notes = f"Medians of {options.rounds}. Beside: core's Load Image over the same folder; no own poses."
    write_report(options.out / "listing", "Load Pose among many files", "python benchmarks/listing.py", table, notes)


if __name__ == "__main__":
    main()
