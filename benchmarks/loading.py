"""What it takes to load CFLD at its published size, and to encode people with it; weights are random.

Each file is loaded in a process of its own, as the first thing that it does. Writes loading.json and loading.md.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import benchmark_parser, write_report
from timing import interleaved

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cfld_modules.checkpoints.cfld_checkpoint import (  # noqa: E402
    KEY_VALUE_NAMES,
    Checkpoint,
    build_networks,
    load_checkpoint,
    save_checkpoint,
)
from cfld_modules.networks.config import CFLDConfig  # noqa: E402
from cfld_modules.networks.model import CFLD  # noqa: E402
from cfld_modules.pipeline.base_model import sd15_unet_config  # noqa: E402

PEOPLE = (1, 4)


def unet_of_published_size() -> dict[str, torch.Tensor]:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**sd15_unet_config()).state_dict()


def cfld_of_published_size(unet: dict[str, torch.Tensor]) -> Checkpoint:
    config = CFLDConfig()
    networks = {name: tensor.detach() for name, tensor in CFLD(config).state_dict().items()}
    return Checkpoint(config, networks, {name: unet[name] for name in KEY_VALUE_NAMES})


def write_files(folder: Path) -> dict[str, Path]:
    """The authors' pair, with a whole U-Net in it, and one file of either precision."""
    unet = unet_of_published_size()
    checkpoint = cfld_of_published_size(unet)
    pair = folder / "authors"
    pair.mkdir()
    torch.save(checkpoint.networks, pair / "pytorch_model.bin")
    torch.save({f"model.{name}": tensor for name, tensor in unet.items()}, pair / "pytorch_model_1.bin")
    files = {"the authors' pair": pair}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        files[f"one file, {name}"] = folder / f"{name}.safetensors"
        save_checkpoint(files[f"one file, {name}"], checkpoint, dtype)
    return files


def load(path: Path) -> dict[str, float]:
    """Seconds, and bytes of resident memory at the peak and of the tensors kept."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; a process is born with its parent's
    before, start = peak_kilobytes(), time.perf_counter()
    checkpoint = load_checkpoint(path)
    networks = build_networks(checkpoint)
    kept = [*networks.parameters(), *checkpoint.key_values.values()]
    sum(tensor.sum().item() for tensor in kept)  # what is mapped is read, too
    peak = (peak_kilobytes() - before) * 1024
    kept_bytes = sum(tensor.nbytes for tensor in kept)
    return {"s": time.perf_counter() - start, "peak": peak, "kept": kept_bytes}


def peak_kilobytes() -> int:
    """Of resident memory, on Linux; pages of mapped files are in it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


@torch.no_grad()
def seconds_to_encode(rounds: int) -> dict[int, float]:
    """A person, by how many are encoded at once."""
    networks = CFLD(CFLDConfig()).eval()
    seconds = interleaved({
        f"{people}": lambda people=people: networks.encode_source(torch.zeros(people, 3, 256, 256)) for people in PEOPLE
    }, rounds)
    return {people: statistics.median(seconds[f"{people}"]) / people for people in PEOPLE}


def main() -> None:
    parser = benchmark_parser(__doc__, 3)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.load:
        sys.stdout.write(json.dumps(load(options.load)))
        return
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_files(Path(folder)).items():
            runs = [
                json.loads(subprocess.check_output([sys.executable, __file__, "--load", path], cwd=ROOT))
                for _ in range(options.rounds)
            ]
            size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
            table.append({
                "file": name, "MB": size / 1e6, "s": statistics.median(run["s"] for run in runs),
                "tensors kept, MB": runs[0]["kept"] / 1e6,
                "peak / kept": statistics.median(run["peak"] / run["kept"] for run in runs),
            })
    encoding = ", ".join(f"{people} at once {each:.2f} s" for people, each in seconds_to_encode(options.rounds).items())
    notes = f"Medians of {options.rounds}, files in the page cache. A person is encoded, float32, in: {encoding}."
    write_report(options.out / "loading", "Loading and encoding", "python benchmarks/loading.py", table, notes)


if __name__ == "__main__":
    main()
