"""What a CFLD step costs in this build against another one's checkout, both in one process of the real host.

Steps of the two alternate, the order turned every round; CPU time of one thread, medians of the rounds' ratios. Runs
under the host's own Python: `python benchmarks/builds.py ../other-checkout`. Their latents are to be bit-equal.
"""

import argparse
import importlib
import statistics
import time
from pathlib import Path

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("other", type=Path, help="a checkout of the build to compare with")
ARGUMENTS.add_argument("--rounds", type=int, default=9)
ARGUMENTS.add_argument("--steps", type=int, default=4)
ARGUMENTS.add_argument("--size", type=int, default=256, help="of the picture in pixels")
options = ARGUMENTS.parse_args()

import host_step  # noqa: E402

# isort: split
import host  # noqa: E402
import random_models  # noqa: E402
import tiny_host  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)
torch.set_grad_enabled(False)


def graph(package: str, model: object, rows: int) -> tuple:
    """Model, positive and negative by a build's own nodes, for a random person of the 111 M model."""
    nodes, checkpoints, networks = (
        importlib.import_module(f"{package}.{name}")
        for name in ("nodes", "cfld_modules.checkpoints.cfld_checkpoint", "nodes.host.networks")
    )
    checkpoint = random_models.random_cfld()
    checkpoint = checkpoints.Checkpoint(checkpoint.config, checkpoint.networks, checkpoint.key_values)
    loaded = getattr(networks, "LoadedCFLD", None) or importlib.import_module(f"{package}.nodes.types").LoadedCFLD
    cfld = loaded(
        "big", checkpoint.config, networks.host_networks(checkpoints.build_networks(checkpoint)), checkpoint.key_values
    )
    photo = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(1))
    positive, negative, appearance = nodes.CFLDPromptEncoder.execute(cfld, photo, "stretch").result
    pose = tiny_host.golden.pose_keypoints("side")
    positive, negative = nodes.CFLDPoseConditioning.execute(
        cfld, positive, negative, pose, 1.0, 0.0, 1.0, "pad"
    ).result[:2]
    pose_guidance = host_step.CFG + rows - 2
    (patched,) = nodes.CFLDApplyHGA.execute(model, cfld, appearance, 1.0, pose_guidance, 0.0, 1.0).result
    return patched, positive, negative


def main() -> None:
    host.import_by_path("cfld_other", options.other.resolve() / "__init__.py")
    model = host_step.base_model(host_step.SMALL)
    side = options.size // 8
    start = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(2))
    for rows in (2, 3):
        graphs = {package: graph(package, model, rows) for package in ("cfld_other", "cfld_pack")}

        def sampled(package: str, graphs: dict = graphs) -> tuple[float, torch.Tensor]:
            """Seconds a step, without what a sampling begins with; the latents."""
            begun: list[float] = []
            latents = tiny_host.ksample(
                *graphs[package], host_step.CFG, options.steps, start=start, disable_pbar=True,
                callback=lambda *_: begun.append(time.process_time()),
            )
            return (begun[-1] - begun[0]) / (options.steps - 1), latents

        ratios = []
        for number in range(options.rounds + 1):  # the first one warms up
            order = ("cfld_other", "cfld_pack") if number % 2 else ("cfld_pack", "cfld_other")
            seconds, latents = {}, {}
            for package in order:
                seconds[package], latents[package] = sampled(package)
            if number:
                ratios.append(seconds["cfld_pack"] / seconds["cfld_other"])
        difference = float((latents["cfld_pack"] - latents["cfld_other"]).abs().max())
        print(  # noqa: T201
            f"{rows} rows, {options.size} px: {statistics.median(ratios):.4f} of the other build "
            f"({min(ratios):.3f} to {max(ratios):.3f}), latents differ by {difference:g}", flush=True
        )


if __name__ == "__main__":
    main()
