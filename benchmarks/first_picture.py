"""How long a user waits for the first picture, and for the next: the demo's two templates in a fresh server.

Runs under the host's own Python. Writes first_picture.json and first_picture.md.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from report import benchmark_parser, write_report

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT)]
import host  # noqa: E402
from comfy_server import running_server  # noqa: E402

TEMPLATES = ("demo_no_downloads", "few_steps")
PICTURES = 4


def seconds_of_pictures(comfy: Path, template: str) -> tuple[float, list[float]]:
    """From the server's start until it answers; then of each picture, whose noise is another."""
    prompt = json.loads((ROOT / "workflows" / "api" / f"{template}.json").read_text(encoding="utf-8"))
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")
    seconds = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running_server(comfy, Path(folder)) as server:
        started = time.perf_counter() - start
        for seed in range(PICTURES):
            sampler["inputs"]["seed"] = seed
            start = time.perf_counter()
            server.finish(prompt)
            seconds.append(time.perf_counter() - start)
    return started, seconds


def main() -> None:
    options = benchmark_parser(__doc__).parse_args()
    comfy = host.need_host()
    table = []
    for template in TEMPLATES:
        started, seconds = seconds_of_pictures(comfy, template)
        table.append({"template": template, "start, s": started, "first, s": seconds[0], "next, s": min(seconds[1:])})
    write_report(options.out / "first_picture", "The first picture", "python benchmarks/first_picture.py", table)


if __name__ == "__main__":
    main()
