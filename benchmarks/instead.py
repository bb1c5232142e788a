"""A CFLD picture beside what people use instead: an OpenPose ControlNet and IPAdapter on the same model and host.

All weights are random, of the published sizes: Stable Diffusion 1.5 and its ControlNet, CLIP's ViT-H, an IPAdapter
plus of 16 tokens in all 16 cross-attentions (its resampler, small beside ViT-H, is left out), CFLD. The adapter's
attention is ComfyUI_IPAdapter_plus's own where COMFYUI_PACKS names a folder that holds it, and else the same
mathematics on core's patch. Steps and encoders take turns in one process; peak memory is that of a process of each's
own, over that of the base model alone. Runs under the host's own Python. Writes instead.json and instead.md.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--rounds", type=int, default=5)
ARGUMENTS.add_argument("--size", type=int, default=512, help="of the picture in pixels")
ARGUMENTS.add_argument("--steps", type=int, default=20, help="of a picture")
ARGUMENTS.add_argument("--out", type=Path, default=Path("output/benchmarks"))
ARGUMENTS.add_argument("--memory-of", help=argparse.SUPPRESS)  # in a process of its own
options = ARGUMENTS.parse_args()

import host_step  # noqa: E402

# isort: split
import comfy.cldm.cldm  # noqa: E402
import comfy.clip_vision  # noqa: E402
import comfy.controlnet  # noqa: E402
import comfy.ops  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.modules.attention import optimized_attention  # noqa: E402
from report import against, write_report  # noqa: E402
from timing import interleaved, median_ratio  # noqa: E402

from cfld_modules.networks.config import CFLDConfig  # noqa: E402
from cfld_modules.networks.model import CFLD  # noqa: E402

TOKENS, CONTEXT = 16, host_step.CONTEXT
CPU = torch.device("cpu")
STATED = 0.712  # of the other's picture CFLD's takes, in docs/performance.md
# Cross-attentions in the order of the published adapter, whose layers are numbered 1, 3, 5, ...
ATTENTIONS = [
    *(("input", block) for block in (1, 2, 4, 5, 7, 8)), *(("output", block) for block in range(3, 12)), ("middle", 0)
]
CFLD_WAY, INSTEAD = "CFLD", "ControlNet and IPAdapter"


def packs_attention() -> ModuleType | None:
    """ComfyUI_IPAdapter_plus's, without its nodes, which want more packages."""
    folder = Path(os.environ.get("COMFYUI_PACKS", ".")) / "ComfyUI_IPAdapter_plus"
    if not folder.is_dir():
        return None
    package = sys.modules["ipadapter_plus"] = ModuleType("ipadapter_plus")
    package.__path__ = [str(folder)]
    from ipadapter_plus import CrossAttentionPatch

    return CrossAttentionPatch


def with_adapter(model, device: torch.device = CPU, dtype: torch.dtype = torch.float32):
    """The model with an adapter, shown one person, in every cross-attention."""
    names = {
        (place, block): f"{place}_blocks.{block}.1" if place != "middle" else "middle_block.1"
        for place, block in ATTENTIONS
    }
    layers = {}
    shown, nothing = (make(1, TOKENS, CONTEXT, device=device, dtype=dtype) for make in (torch.randn, torch.zeros))
    pack = packs_attention()
    model = model.clone()
    for number, place in enumerate(ATTENTIONS):
        attn2 = model.get_model_object(f"diffusion_model.{names[place]}.transformer_blocks.0.attn2")
        for part in "kv":
            matrix = (torch.randn(attn2.to_k.weight.shape) * CONTEXT**-0.5).to(device, dtype)
            layers[f"{2 * number + 1}_to_{part}_ip"] = partial(torch.nn.functional.linear, weight=matrix)
        if pack:
            adapter = SimpleNamespace(ip_layers=SimpleNamespace(to_kvs=layers))
            adapter.get_multigpu_clone = lambda device, adapter=adapter: adapter
            patch = pack.Attn2Replace(
                pack.ipadapter_attention, module_key=f"{2 * number + 1}", ipadapter=adapter, cond=shown,
                uncond=nothing, sigma_start=1e9, sigma_end=0.0,
            )
        else:
            keys, values = (layers[f"{2 * number + 1}_to_{part}_ip"] for part in "kv")
            patch = partial(adapter_attention, keys=keys, values=values, shown=shown, nothing=nothing)
        model.set_model_attn2_replace(patch, *place)
    return model


def adapter_attention(q, k, v, extra, keys, values, shown, nothing):
    tokens = torch.cat([nothing if kind else shown for kind in extra["cond_or_uncond"]])
    heads = extra["n_heads"]
    return optimized_attention(q, k, v, heads) + optimized_attention(q, keys(tokens), values(tokens), heads)


def with_controlnet(
    positive: list, negative: list, size: int, multiples: Sequence[int] = host_step.FULL_SIZE,
    device: torch.device = CPU, dtype: torch.dtype = torch.float32,
) -> tuple[list, list]:
    layout = host_step.unet_config(multiples) | {"dtype": dtype}
    layout = {name: value for name, value in layout.items() if name not in ("out_channels", "transformer_depth_output")}
    network = comfy.cldm.cldm.ControlNet(
        **layout, hint_channels=3, device="cpu", operations=comfy.ops.disable_weight_init
    )
    control = comfy.controlnet.ControlNet(host_step.fill(network), load_device=device)
    control.set_cond_hint(torch.rand(1, 3, size, size), 1.0, (0.0, 1.0))
    return tuple(
        [[entry, given | {"control": control, "control_apply_to_uncond": False}] for entry, given in conditioning]
        for conditioning in (positive, negative)
    )


def text() -> list:
    return [[torch.randn(1, 77, CONTEXT), {}]]


def cfld_way(model) -> tuple[Callable, Callable]:
    """One step's seconds, and the encoding of a person and a pose."""
    person, networks = host_step.RandomPerson(host_step.FULL_SIZE), CFLD(CFLDConfig()).eval()
    side = networks.config.source.image_size
    patched = person.patched(model)
    source, maps = torch.randn(1, 3, side, side), torch.rand(1, 21, side, side)
    return (
        partial(host_step.seconds_a_step, patched, *person.posed, options.size),
        lambda: (networks.encode_source(source), networks.encode_pose(maps)),
    )


def instead(model) -> tuple[Callable, Callable]:
    config = Path(comfy.clip_vision.__file__).with_name("clip_vision_config_h.json")
    clip_vision = comfy.clip_vision.ClipVisionModel(config)
    host_step.fill(clip_vision.model)
    conditioning = with_controlnet(text(), text(), options.size)
    return (
        partial(host_step.seconds_a_step, with_adapter(model), *conditioning, options.size),
        lambda: clip_vision.encode_image(torch.rand(1, 224, 224, 3)),
    )


WAYS = {CFLD_WAY: cfld_way, INSTEAD: instead}


def peak_megabytes(way: str) -> float:
    """Of a process that has the base model, over that model, through the encoders and a step."""
    model = host_step.base_model(host_step.FULL_SIZE)
    host_step.seconds_a_step(model, text(), text(), options.size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step, encoders = WAYS[way](model)
    encoders()
    step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3


def main() -> None:
    if options.memory_of:
        sys.stdout.write(json.dumps(peak_megabytes(options.memory_of)))
        return
    command = [sys.executable, __file__, "--size", f"{options.size}", "--memory-of"]
    megabytes = {way: json.loads(subprocess.check_output([*command, way]).splitlines()[-1]) for way in WAYS}
    model = host_step.base_model(host_step.FULL_SIZE)
    step, encoders = {}, {}
    for way, build in WAYS.items():
        step[way], encoders[way] = build(model)
    step["plain"] = partial(host_step.seconds_a_step, model, text(), text(), options.size)
    steps, encoding = interleaved(step, options.rounds), interleaved(encoders, options.rounds)
    table = []
    for way in WAYS:
        seconds, once = statistics.median(steps[way]), statistics.median(encoding[way])
        table.append({
            "way": way, "s a step": seconds, "step / plain": median_ratio(steps[way], steps["plain"]),
            "encoders, s": once, f"{options.steps} steps, s": once + options.steps * seconds,
            "peak memory over the model, MB": megabytes[way],
        })
    ratio = median_ratio(steps[CFLD_WAY], steps[INSTEAD])
    picture = table[0][f"{options.steps} steps, s"] / table[1][f"{options.steps} steps, s"]
    table[0] |= against(picture, STATED)
    table[1] |= against(1.0, None)
    attention = "ComfyUI_IPAdapter_plus's" if packs_attention() else "core's patch"
    notes = (
        f"{options.size} pixels, two rows a step, float32, medians of {options.rounds} interleaved rounds, the "
        f"adapter's attention: {attention}. CFLD's step is {ratio:.3f} of the other's, its picture {picture:.3f}."
    )
    write_report(options.out / "instead", "Beside ControlNet and IPAdapter", host_step.COMMAND, table, notes)


if __name__ == "__main__":
    with torch.no_grad():
        main()
