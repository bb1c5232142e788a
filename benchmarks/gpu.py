"""Everything about a GPU in ten minutes: `python benchmarks/gpu.py` with ComfyUI's own Python.

Stable Diffusion 1.5, its autoencoder and CFLD of the published sizes with random weights, in fp16 at 512x512: a step of
two and of three rows beside a plain one, with rows a second and peak memory; a ControlNet and an IPAdapter beside them;
what a step waits for, by the profiler; a whole picture with either autoencoder. What is done is in gpu.json and gpu.md,
should the time end before the last part. `--tiny` runs all of it at 64x64 with narrow networks, on any device, to see
that it runs.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--tiny", action="store_true", help="narrow networks at 64x64")
ARGUMENTS.add_argument("--rounds", type=int, default=10, help="of each step (%(default)s)")
ARGUMENTS.add_argument("--minutes", type=float, default=9.0, help="no part begins after so many (%(default)s)")
ARGUMENTS.add_argument("--out", type=Path, default=Path("output/benchmarks"))
options = ARGUMENTS.parse_args()
BEGUN = time.perf_counter()

import torch  # noqa: E402

os.environ["COMFYUI_OPTIONS"] = "" if torch.cuda.is_available() else "--cpu"
import host_step  # noqa: E402

sys.argv = sys.argv[:1]  # the others read it, too
# isort: split
import comfy.sd  # noqa: E402
import instead  # noqa: E402
import overhead  # noqa: E402
from comfy.ldm.models.autoencoder import AutoencoderKL  # noqa: E402
from comfy.model_management import get_torch_device  # noqa: E402
from comfy.taesd.taesd import Decoder, Encoder  # noqa: E402
from report import write_report  # noqa: E402
from timing import interleaved, median_ratio  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

MULTIPLES = host_step.SMALL if options.tiny else host_step.FULL_SIZE
SIZE, STEPS = (64, 2) if options.tiny else (512, 20)
HAS_GPU = torch.cuda.is_available()
DEVICE, DTYPE = get_torch_device(), torch.float16 if HAS_GPU else torch.float32
WAITS = {
    "synchronisations": ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize"),
    "copies": ("cudaMemcpyAsync",), "numbers read back": ("aten::_local_scalar_dense",),
}  # fmt: skip


class Report:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, part: str, work: Callable[[], list[dict[str, Any]]]) -> None:
        """What a part finds, or that there was no time for it; written at once."""
        if time.perf_counter() - BEGUN > 60 * options.minutes:
            self.rows.append({"part": part, "what": "no time was left", "": ""})
        else:
            self.rows += [{"part": part, "what": name, "": value} for row in work() for name, value in row.items()]
        size = "narrow networks" if options.tiny else "published sizes"
        notes = f"{size}, {SIZE} pixels, {DTYPE}, medians of {options.rounds} interleaved rounds."
        write_report(options.out / "gpu", "On a GPU", host_step.COMMAND, self.rows, notes)


def steps(ways: dict[str, Callable[[], float]]) -> list[dict[str, Any]]:
    """Seconds of each way's step, over a plain one, and its peak memory."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    peaks: dict[str, float | None] = {}
    for turn in range(options.rounds + 1):
        for name, way in ways.items():
            if HAS_GPU:
                torch.cuda.reset_peak_memory_stats()
            seconds = way()
            times[name] += [seconds] if turn else []
            peaks[name] = torch.cuda.max_memory_allocated() / 1e6 if HAS_GPU else None
    plain = {rows: times[f"plain, {rows} rows"] for rows in (2, 3)}
    return [
        {
            f"{name}: s a step": statistics.median(seconds),
            f"{name}: rows a second": rows_of(name) / statistics.median(seconds),
            f"{name}: step / plain": median_ratio(seconds, plain[rows_of(name)]),
            f"{name}: peak memory, MB": peaks[name],
        }
        for name, seconds in times.items()
    ]


def rows_of(name: str) -> int:
    return 3 if "3 rows" in name else 2


def ways_of_steps(model: Any, person: host_step.RandomPerson) -> dict[str, Callable[[], float]]:
    ways = {}
    for rows in (2, 3):
        for name, kind in overhead.variants(model, person, rows).items():
            if name in ("plain", "CFLD"):
                ways[f"{name}, {rows} rows"] = partial(host_step.seconds_a_step, *kind[:3], SIZE, kind[3])
    adapter = instead.with_adapter(model, DEVICE, DTYPE)
    conditioning = instead.with_controlnet(instead.text(), instead.text(), SIZE, MULTIPLES, DEVICE, DTYPE)
    ways["ControlNet and IPAdapter, 2 rows"] = partial(host_step.seconds_a_step, adapter, *conditioning, SIZE)
    return ways


def waits(ways: dict[str, Callable[[], float]]) -> list[dict[str, Any]]:
    """Of three steps of sampling, over those of plain sampling."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if HAS_GPU else [])
    counts: dict[str, dict[str, int]] = {}
    for name in ("plain, 2 rows", "CFLD, 2 rows", "CFLD, 3 rows"):
        ways[name]()
        with profile(activities=activities) as profiler:
            ways[name]()
        calls = {event.key: event.count for event in profiler.key_averages()}
        counts[name] = {wait: sum(calls.get(key, 0) for key in keys) for wait, keys in WAITS.items()}
    return [{f"{name}: {wait}": count for wait, count in row.items()} for name, row in counts.items()]


def pictures(model: Any, person: host_step.RandomPerson, networks: Any) -> list[dict[str, Any]]:
    """Encoders, all steps of two rows and decoding, with the VAE of Stable Diffusion and with TAESD."""
    source, maps = (torch.rand(1, n, 256, 256, device=DEVICE, dtype=DTYPE) for n in (3, 21))
    patched = person.patched(model)
    latents = torch.randn(1, 4, SIZE // 8, SIZE // 8)

    def encode() -> None:
        networks.encode_source(source)
        networks.encode_pose(maps)
        host_step.wait_for_device()

    def decode(vae: comfy.sd.VAE) -> None:
        vae.decode(latents)
        host_step.wait_for_device()

    parts = {"encoders": encode} | {f"{name} decode": partial(decode, vae) for name, vae in autoencoders().items()}
    times = interleaved(parts, max(options.rounds // 2, 1))
    seconds = {name: statistics.median(rounds) for name, rounds in times.items()}
    step = statistics.median(host_step.seconds_a_step(patched, *person.posed, SIZE) for _ in range(3))
    whole = {
        f"a picture of {STEPS} steps, {name}": seconds["encoders"] + STEPS * step + seconds[f"{name} decode"]
        for name in ("VAE", "TAESD")
    }
    return [{f"{name}, s": value for name, value in (seconds | {"step of two rows": step} | whole).items()}]


def autoencoders() -> dict[str, comfy.sd.VAE]:
    large = host_step.fill(AutoencoderKL(ddconfig=host_step.SD15_VAE, embed_dim=4)).state_dict()
    small = {f"taesd_{name}.{key}": tensor for name, part in (("encoder", Encoder), ("decoder", Decoder))
             for key, tensor in host_step.fill(part()).state_dict().items()}  # fmt: skip
    return {"VAE": comfy.sd.VAE(sd=large), "TAESD": comfy.sd.VAE(sd=small)}


def main() -> None:
    report = Report()
    model, person = host_step.base_model(MULTIPLES, DTYPE), host_step.RandomPerson(MULTIPLES)
    ways = ways_of_steps(model, person)
    report.add("steps", lambda: steps(ways))
    report.add("waits", lambda: waits(ways))
    networks = instead.CFLD(instead.CFLDConfig()).eval().requires_grad_(False).to(DEVICE, DTYPE)
    report.add("pictures", lambda: pictures(model, person, networks))


if __name__ == "__main__":
    with torch.no_grad():
        main()
