"""Where a picture's time goes: each part of it, by CFLD's nodes and by the host's own sampling, in one table.

For the demo model, and for Stable Diffusion 1.5 and CFLD of the published sizes with random weights. The plain host has
a text's 77 tokens as prompt, whose encoding is left out, and two rows a step as CFLD has. The parts take turns in one
process. A picture is encode, pose, a first step, `--steps` less one, decode and save. Runs under the host's own Python.
Writes parts.json and parts.md.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--rounds", type=int, default=5, help="of the demo (%(default)s)")
ARGUMENTS.add_argument("--full-rounds", type=int, default=1, help="of the published sizes, 0 for none (%(default)s)")
ARGUMENTS.add_argument("--size", type=int, default=512, help="of the full-size picture in pixels (%(default)s)")
ARGUMENTS.add_argument("--steps", type=int, default=20, help="of a full-size picture; the demo has 4 (%(default)s)")
ARGUMENTS.add_argument("--out", type=Path, default=Path("output/benchmarks"))
options = ARGUMENTS.parse_args()

import host_step  # noqa: E402

# isort: split
import comfy.sd  # noqa: E402
import folder_paths  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.models.autoencoder import AutoencoderKL  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402
from report import against, write_report  # noqa: E402

import nodes as core  # noqa: E402

PARTS = ("encode", "pose", "first step", "step", "decode", "save")
STATED = {"demo": 1.2, "full size": 1.03}  # a CFLD step over a plain one of as many rows, in docs/performance.md
cfld_nodes = host_step.nodes


@dataclass(frozen=True)
class Models:
    name: str
    model: Any
    vae: Any
    cfld: Any
    size: int
    steps: int


def demo() -> Models:
    return Models("demo", *cfld_nodes.CFLDDemoModels.execute().result, 128, 4)


def full_size() -> Models:
    config = host_step.tiny_host.config.CFLDConfig()
    networks = host_step.tiny_host.network_model.CFLD(config).eval().requires_grad_(False)
    person = host_step.RandomPerson(host_step.FULL_SIZE)
    host_networks = host_step.tiny_host.host_networks
    cfld = host_networks.LoadedCFLD("random", config, host_networks.host_networks(networks), person.cfld.key_values)
    vae = AutoencoderKL(ddconfig=host_step.SD15_VAE, embed_dim=4)
    host_step.fill(vae)
    model = host_step.base_model(host_step.FULL_SIZE)
    return Models("full size", model, comfy.sd.VAE(sd=vae.state_dict()), cfld, options.size, options.steps)


class Clock:
    """Seconds of each part of one picture."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def part(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - start
        return result


def picture_by_cfld(models: Models, photo: torch.Tensor, pose: list, clock: Clock) -> None:
    encode = lambda: cfld_nodes.CFLDPromptEncoder.execute(models.cfld, photo, "pad").result  # noqa: E731
    positive, negative, appearance = clock.part("encode", encode)
    posed = clock.part("pose", lambda: cfld_nodes.CFLDPoseConditioning.execute(
        models.cfld, positive, negative, pose, 1.0, 0.0, 1.0, "pad"
    ).result[:2])  # fmt: skip
    apply = cfld_nodes.CFLDApplyHGA.execute(models.model, models.cfld, appearance, 1.0, host_step.CFG, 0.0, 1.0)
    finish(models, apply.result[0], *posed, clock)


def picture_by_the_host(models: Models, clock: Clock) -> None:
    width = models.model.model.model_config.unet_config["context_dim"]
    positive, negative = ([[torch.randn(1, 77, width), {}]] for _ in range(2))
    finish(models, models.model, positive, negative, clock)


def finish(models: Models, model: Any, positive: list, negative: list, clock: Clock) -> None:
    """Three steps, of which the second fills caches still, and what comes after the last."""
    ends = []

    def noted(executor: Callable, *arguments: Any) -> Any:
        out = executor(*arguments)
        ends.append(time.perf_counter())
        return out

    model = model.clone()
    model.wrappers[WrappersMP.PREDICT_NOISE] = {"clock": [noted], **model.wrappers.get(WrappersMP.PREDICT_NOISE, {})}
    latent = {"samples": torch.zeros(1, 4, models.size // 8, models.size // 8)}
    start = time.perf_counter()
    latent, = core.common_ksampler(model, 1, 3, host_step.CFG, "euler", "normal", positive, negative, latent)
    clock.seconds |= {"first step": ends[0] - start, "step": ends[2] - ends[1]}
    pixels = clock.part("decode", lambda: models.vae.decode(latent["samples"]))
    clock.part("save", lambda: core.SaveImage().save_images(pixels, "parts"))


def rows_of(models: Models, rounds: int) -> list[dict]:
    photo, pose, _ = cfld_nodes.CFLDDemoPerson.execute(0, 3, 352, 512).result
    ways: dict[str, Callable[[Clock], None]] = {
        "CFLD": lambda clock: picture_by_cfld(models, photo, pose, clock),
        "plain host": lambda clock: picture_by_the_host(models, clock),
    }
    times: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):  # the first is not counted
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            clock = Clock()
            ways[way](clock)
            times[way] += [clock.seconds] if turn else []
    rows = []
    for way, rounds_of_way in times.items():
        medians = {part: statistics.median(one.get(part, 0.0) for one in rounds_of_way) for part in PARTS}
        whole = sum(medians.values()) + (models.steps - 2) * medians["step"]
        rows.append({"model": models.name, "way": way, **{f"{part}, s": medians[part] or None for part in PARTS},
                     "picture, s": whole, "steps": models.steps})  # fmt: skip
    pairs = zip(times["CFLD"], times["plain host"], strict=True)
    step = statistics.median(ours["step"] / plain["step"] for ours, plain in pairs)
    rows[0] |= {"step / plain": step} | against(step, STATED[models.name])
    rows[1] |= {"step / plain": None} | against(1.0, None)
    return rows


def main() -> None:
    table = []
    with tempfile.TemporaryDirectory() as folder:
        folder_paths.set_output_directory(folder)
        table += rows_of(demo(), options.rounds)
        if options.full_rounds:
            table += rows_of(full_size(), options.full_rounds)
    notes = f"float32, two rows a step, medians of {options.rounds} and {options.full_rounds} interleaved rounds."
    write_report(options.out / "parts", "Where a picture's time goes", host_step.COMMAND, table, notes)


if __name__ == "__main__":
    with torch.no_grad():
        main()
