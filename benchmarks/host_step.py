"""Stable Diffusion 1.5 and CFLD with random weights in the real host, and how long one of its sampling steps takes.

Importing it imports the host, so a benchmark reads its command line first.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT)]
import host  # noqa: E402

COMMAND = " ".join(["python", *sys.argv])  # the host's import changes it
host.import_host(host.need_host())

import comfy.model_base  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.supported_models  # noqa: E402
import tiny_host  # noqa: E402
import torch  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402

conditioning, pose_control, nodes = tiny_host.conditioning, tiny_host.pose_control, tiny_host.nodes
FULL_SIZE, SMALL = (1, 2, 4, 4), (1, 1, 1, 1)  # of 320 channels, a level: 860 M parameters, or 111 M
SD15_VAE = {
    "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
    "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
}  # fmt: skip
CONTEXT = 768
CFG = 2.0  # pose_guidance of as much makes two rows of CFLD, another three


def unet_config(multiples: Sequence[int]) -> dict:
    return tiny_host.UNET_CONFIG | {
        "model_channels": 320, "context_dim": CONTEXT, "channel_mult": list(multiples)
    }


def fill(module: torch.nn.Module) -> torch.nn.Module:
    """Random weights that keep a layer's output about as large as its input."""
    for parameter in module.parameters():
        parameter.copy_(torch.randn(parameter.shape) * (parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1))
    return module


def base_model(multiples: Sequence[int], dtype: torch.dtype = torch.float32) -> comfy.model_patcher.ModelPatcher:
    config = comfy.supported_models.SD15(unet_config(multiples))
    config.unet_config = unet_config(multiples)
    config.set_inference_dtype(dtype, None)
    return comfy.model_patcher.ModelPatcher(
        fill(comfy.model_base.BaseModel(config)), comfy.model_management.get_torch_device(),
        comfy.model_management.unet_offload_device(),
    )


class RandomPerson:
    """A CFLD of which only what a step needs is there, and a person and a pose as its encoders give them."""

    def __init__(self, multiples: Sequence[int]) -> None:
        widths = [320 * multiple for multiple in multiples[:3]]
        levels = [widths[3 - block // 3] for block in range(3, 12)]
        key_values = {
            tiny_host.checkpoints.key_value_name(block, part): torch.randn(width, CONTEXT) / 28
            for block, width in zip(range(3, 12), levels, strict=True) for part in "kv"
        }
        learnt = torch.nn.Module()  # all of the networks that a step needs
        learnt.learnable_vector = torch.nn.Parameter(torch.randn(1, 16, CONTEXT))
        networks = tiny_host.host_networks.in_host_care(learnt)
        self.cfld = tiny_host.host_networks.LoadedCFLD("random", tiny_host.config.CFLDConfig(), networks, key_values)
        self.appearance = tiny_host.network_model.Appearance(torch.randn(1, 16, CONTEXT), {
            block: torch.randn(1, (64 // 2 ** (3 - block // 3)) ** 2, width)
            for block, width in zip(range(3, 12), levels, strict=True)
        })
        features = tuple(torch.randn(1, width, 64 // 2**level, 64 // 2**level) for level, width in enumerate(widths))
        self.prompt = conditioning.prompt_conditioning(self.appearance.prompt, torch.randn(1, 16, CONTEXT))
        self.posed = pose_control.pose_conditioning("benchmark", *self.prompt, features, 1.0, (0.0, 1.0))

    def patched(self, model: object, strength: float = 1.0, pose_guidance: float = CFG) -> object:
        return nodes.CFLDApplyHGA.execute(
            model, self.cfld, self.appearance, strength, pose_guidance, 0.0, 1.0
        ).result[0]


def wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_a_step(
    model: comfy.model_patcher.ModelPatcher, positive: list, negative: list, size: int,
    guider: Callable = comfy.samplers.CFGGuider,
) -> float:
    """Of predict_noise, the U-Net call with what surrounds it, without the loading and patching of weights.

    Args:
        size: of the picture's side in pixels.
    """
    noted: list[float] = []

    def timed(executor, *args):
        wait_for_device()
        start = time.perf_counter()
        out = executor(*args)
        wait_for_device()
        noted.append(time.perf_counter() - start)
        return out

    model = model.clone()
    model.wrappers[WrappersMP.PREDICT_NOISE] = {"timer": [timed], **model.wrappers.get(WrappersMP.PREDICT_NOISE, {})}
    sampling = guider(model)
    sampling.set_conds(positive, negative)
    sampling.set_cfg(CFG)
    noise = torch.randn(1, 4, size // 8, size // 8)
    sigmas = tiny_host.sigmas_of(model, 20)[:3]
    sampling.sample(noise, torch.zeros_like(noise), comfy.samplers.ksampler("euler"), sigmas, seed=1)
    return noted[-1]  # the first step fills caches
