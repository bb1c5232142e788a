"""What a server keeps of memory after a CFLD of the published size was used, its nodes removed, and `/free` was posted.

Runs under the host's own Python, on Linux. Writes memory.json and memory.md.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import benchmark_parser, write_report

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT)]
import host  # noqa: E402
from comfy_server import TRIM, TRIM_CODE, Server, running_server  # noqa: E402

PHOTO = ROOT / "tests" / "data" / "astronaut.jpg"
THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
SETTLED = 8.0  # seconds after which the host has done what /free asks for


def encoding(name: str) -> dict:
    """A person encoded with a CFLD."""
    return {
        "cfld": {"class_type": "CFLDLoader", "inputs": {"cfld_name": name, "weight_dtype": "default"}},
        "photo": {"class_type": "LoadImage", "inputs": {"image": PHOTO.name}},
        "person": {"class_type": "CFLDPromptEncoder",
                   "inputs": {"cfld": ["cfld", 0], "image": ["photo", 0], "fit": "pad"}},
        "save": {"class_type": "CFLDSaveAppearance",
                 "inputs": {"cfld": ["cfld", 0], "appearance": ["person", 2], "filename_prefix": "person"}},
    }  # fmt: skip


def without_cfld(seed: int) -> dict:
    return {
        "photo": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": seed}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["photo", 0], "filename_prefix": "x"}},
    }


def megabytes(server: Server) -> float:
    return server.memory() / 1e6


def freed(server: Server, seed: int) -> float:
    """Megabytes without a CFLD in the graph and after `/free`."""
    server.finish(without_cfld(seed))
    for _ in range(2):  # the host heeds one flag each time it wakes
        server.post("/free", {"unload_models": True, "free_memory": True})
        time.sleep(SETTLED / 2)
    return megabytes(server)


def rows(comfy: Path, folder: Path, rounds: int, threshold: int | None) -> list[dict]:
    table = []
    for file in sorted(file.name for file in (folder / "models" / "cfld").glob("*.safetensors")):
        with running_server(comfy, folder, TRIM) as server:
            before = freed(server, 0)
            used, after = [], []
            for number in range(1, rounds + 1):
                server.finish(encoding(file))
                used.append(megabytes(server))
                after.append(freed(server, number))
            server.get("/trim")
            table.append({
                "file": file, THRESHOLD: threshold or "", "before, MB": before, "in use": statistics.median(used),
                "first": after[0] - before, f"after {rounds}": after[-1] - before,
                "asked for its pages": megabytes(server) - before,
            })
    return table


def main() -> None:
    options = benchmark_parser(__doc__, 5).parse_args()
    comfy = host.need_host()
    from loading import cfld_of_published_size, save_checkpoint, unet_of_published_size

    table = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "models" / "cfld").mkdir(parents=True)
        (folder / "input").mkdir()
        shutil.copy(PHOTO, folder / "input")
        (folder / "custom_nodes").mkdir()
        (folder / "custom_nodes" / TRIM).write_text(TRIM_CODE)
        checkpoint = cfld_of_published_size(unet_of_published_size())
        for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
            save_checkpoint(folder / "models" / "cfld" / f"{name}.safetensors", checkpoint, dtype)
        del checkpoint
        for threshold in (None, 1_000_000):
            if threshold is not None:
                os.environ[THRESHOLD] = str(threshold)
            table += rows(comfy, folder, options.rounds, threshold)
    notes = "'first' and after: what the process keeps beyond what it had before, by its resident memory."
    write_report(options.out / "memory", "Memory after a CFLD", "python benchmarks/memory.py", table, notes)


if __name__ == "__main__":
    main()
