"""What a CFLD step costs beside a plain SD 1.5 step of as many rows, in the real host.

All variants of a setting run interleaved in this one process, the order turned every round; only the U-Net call with
what surrounds it is timed (predict_noise), the loading and patching of weights is not. Medians of the rounds' ratios.
Runs under the host's own Python. Writes overhead.json and overhead.md.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--rounds", type=int, default=5)
ARGUMENTS.add_argument("--small", action="store_true", help="111 M parameters, every level 320 wide, instead of 860 M")
ARGUMENTS.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="of the picture in pixels")
ARGUMENTS.add_argument("--out", type=Path, default=Path("output/benchmarks"))
options = ARGUMENTS.parse_args()

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT)]
import host  # noqa: E402

found = host.find_host()
if found is None:
    sys.exit("no ComfyUI was found; set COMFYUI_PATH")
command = " ".join(["python", *sys.argv])
host.import_host(found)

import comfy.model_base  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.supported_models  # noqa: E402
import tiny_host  # noqa: E402
import torch  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402
from report import write_report  # noqa: E402

conditioning, pose_control, nodes = tiny_host.conditioning, tiny_host.pose_control, tiny_host.nodes
MULTIPLES = [1, 1, 1, 1] if options.small else [1, 2, 4, 4]
WIDTHS = tuple(320 * multiple for multiple in MULTIPLES[:3])


def base_model() -> comfy.model_patcher.ModelPatcher:
    unet = tiny_host.UNET_CONFIG | {"model_channels": 320, "context_dim": 768, "channel_mult": MULTIPLES}
    config = comfy.supported_models.SD15(unet)
    config.unet_config = unet
    config.set_inference_dtype(torch.float32, None)
    base = comfy.model_base.BaseModel(config)
    for parameter in base.parameters():
        parameter.copy_(torch.randn(parameter.shape) * (parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1))
    return comfy.model_patcher.ModelPatcher(
        base, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )


def random_cfld() -> tiny_host.node_types.LoadedCFLD:
    levels = [WIDTHS[3 - block // 3] for block in range(3, 12)]
    key_values = {
        tiny_host.checkpoints.key_value_name(block, part): torch.randn(width, 768) / 28
        for block, width in zip(range(3, 12), levels, strict=True) for part in "kv"
    }
    learnt = torch.nn.Module()  # all of the networks that a step needs
    learnt.learnable_vector = torch.nn.Parameter(torch.randn(1, 16, 768))
    networks = tiny_host.host_networks.in_host_care(learnt)
    return tiny_host.node_types.LoadedCFLD("random", tiny_host.config.CFLDConfig(), networks, key_values)


def variants(model, cfld, rows: int) -> dict:
    """(model, positive, negative, pose_guidance) of each variant; cfg is 2, so w_pose 3 makes three rows of two."""
    appearance = tiny_host.pipelines.Appearance(torch.randn(1, 16, 768), {
        block: torch.randn(1, (64 // 2 ** (3 - block // 3)) ** 2, WIDTHS[3 - block // 3]) for block in range(3, 12)
    })
    features = tuple(torch.randn(1, width, 64 // 2**level, 64 // 2**level) for level, width in enumerate(WIDTHS))
    prompt = conditioning.prompt_conditioning(appearance.prompt, torch.randn(1, 16, 768))
    posed = pose_control.pose_conditioning("bench", *prompt, features, 1.0, (0.0, 1.0))
    neutral, patched = (
        nodes.CFLDApplyHGA.execute(model, cfld, appearance, strength, 2.0 if rows == 2 else 3.0, 0.0, 1.0).result[0]
        for strength in (0.0, 1.0)
    )
    return {
        "plain": (model, *prompt), "pose alone": (neutral, *posed), "appearance alone": (patched, *prompt),
        "CFLD": (patched, *posed),
    }


class PlainRows(comfy.samplers.CFGGuider):
    """A plain step of three rows: the negative prompt once more, in the same batch."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        positive, negative = self.conds["positive"], self.conds["negative"]
        rows = comfy.samplers.calc_cond_batch(
            self.inner_model, [positive, negative, negative], x, timestep, model_options or {}
        )
        return rows[0] + rows[1] - rows[2]


def seconds_a_step(name: str, variant: tuple, rows: int, size: int) -> float:
    model, positive, negative = variant
    noted: list[float] = []

    def timed(executor, *args):
        start = time.perf_counter()
        out = executor(*args)
        noted.append(time.perf_counter() - start)
        return out

    timed_model = model.clone()
    timed_model.wrappers[WrappersMP.PREDICT_NOISE] = {
        "timer": [timed], **timed_model.wrappers.get(WrappersMP.PREDICT_NOISE, {})
    }
    three_plain = rows == 3 and name != "CFLD"
    guider = (PlainRows if three_plain else comfy.samplers.CFGGuider)(timed_model)
    guider.set_conds(positive, negative)
    guider.set_cfg(2.0)
    noise = torch.randn(1, 4, size // 8, size // 8)
    sigmas = tiny_host.sigmas_of(timed_model, 20)[:3]
    guider.sample(noise, torch.zeros_like(noise), comfy.samplers.ksampler("euler"), sigmas, seed=1)
    return noted[-1]  # the first step fills caches


def main() -> None:
    model, cfld = base_model(), random_cfld()
    parameters = sum(parameter.numel() for parameter in model.model.parameters())
    table = []
    for size in options.sizes:
        for rows in (2, 3):
            kinds = variants(model, cfld, rows)
            if rows == 3:  # the parts are told apart at two rows
                kinds = {name: kinds[name] for name in ("plain", "CFLD")}
            times: dict[str, list[float]] = {name: [] for name in kinds}
            for turn in range(options.rounds):
                order = list(kinds)[turn % len(kinds):] + list(kinds)[: turn % len(kinds)]
                for name in order:
                    times[name].append(seconds_a_step(name, kinds[name], rows, size))
            ratios = {
                name: statistics.median(a / b for a, b in zip(times[name], times["plain"], strict=True))
                for name in kinds
            }
            table.append({
                "pixels": size, "rows": rows, "plain, s a step": statistics.median(times["plain"]),
                "pose alone": ratios.get("pose alone"), "appearance alone": ratios.get("appearance alone"),
                "CFLD / plain": ratios["CFLD"],
            })
            notes = f"{parameters / 1e6:.0f} M parameters, float32, medians of {options.rounds} interleaved rounds."
            write_report(options.out / "overhead", "A CFLD step beside a plain step", command, table, notes)


if __name__ == "__main__":
    with torch.no_grad():
        main()
