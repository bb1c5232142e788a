"""The goldens' tiny CFLD and U-Net inside the host: a MODEL, a CFLD, and the pipeline they are compared with."""

import importlib
import pickle
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sample
import comfy.samplers
import comfy.supported_models
import comfy.utils
import host
import torch
from comfy.patcher_extension import WrappersMP

host.import_by_path("cfld_pack", host.PACK / "__init__.py")
golden = host.import_by_path("cfld_golden", Path(__file__).parents[1] / "golden.py")
nodes = importlib.import_module("cfld_pack.nodes")
host_networks = importlib.import_module("cfld_pack.nodes.host.networks")
conditioning = importlib.import_module("cfld_pack.nodes.host.conditioning")
pose_control = importlib.import_module("cfld_pack.nodes.host.pose_control")
node_types = importlib.import_module("cfld_pack.nodes.types")
checkpoints = importlib.import_module("cfld_pack.cfld_modules.checkpoints.cfld_checkpoint")
config = importlib.import_module("cfld_pack.cfld_modules.networks.config")
network_model = importlib.import_module("cfld_pack.cfld_modules.networks.model")
guidance = importlib.import_module("cfld_pack.cfld_modules.guidance")

UNET_CONFIG = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 64, "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3, "context_dim": 64, "use_linear_in_transformer": False,
    "use_spatial_transformer": True, "num_heads": 8, "num_head_channels": -1, "legacy": False,
    "adm_in_channels": None, "use_temporal_attention": False, "dtype": torch.float32,
}
LATENT_SCALE = 0.18215
BATCH = 2


def stock_model() -> comfy.model_patcher.ModelPatcher:
    """The tiny U-Net as a user's MODEL: its cross-attention matrices are *not* CFLD's until HGA Apply."""
    model_config = comfy.supported_models.SD15(dict(UNET_CONFIG))
    model_config.unet_config = dict(UNET_CONFIG)
    model_config.set_inference_dtype(torch.float32, None)
    base = comfy.model_base.BaseModel(model_config)
    names = comfy.utils.unet_to_diffusers(UNET_CONFIG)
    state = {names[name]: tensor.clone() for name, tensor in golden.unet_state().items()}
    for name, tensor in golden.key_values().items():
        state[names[name]] = torch.from_numpy(golden.value(f"stock.{name}", tensor.shape))
    base.diffusion_model.load_state_dict(state)
    return comfy.model_patcher.ModelPatcher(
        base, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )


def tiny_cfld() -> host_networks.LoadedCFLD:
    shapes = {name: tuple(tensor.shape) for name, tensor in golden.networks_state().items()}
    checkpoint = checkpoints.Checkpoint(config.read_config(shapes), golden.networks_state(), golden.key_values())
    networks = checkpoints.build_networks(checkpoint)
    return host_networks.LoadedCFLD(
        "tiny", checkpoint.config, host_networks.host_networks(networks), checkpoint.key_values
    )


def source_pictures() -> torch.Tensor:
    """The goldens' two source pictures as an IMAGE."""
    return golden.golden()["in.img_cond_u8"].permute(0, 2, 3, 1).float() / 255.0


def noise() -> torch.Tensor:
    return golden.input_tensor("noise", (BATCH, 4, 32, 32))


class Encoded:
    """The goldens' people and target poses after the two conditioning nodes."""

    def __init__(self, cfld: host_networks.LoadedCFLD) -> None:
        self.cfld = cfld
        self.prompt, self.learnt, self.appearance = nodes.CFLDPromptEncoder.execute(
            cfld, source_pictures(), "stretch"
        ).result
        self.pose = golden.pose_keypoints(*golden.TARGET_POSES)
        self.positive, self.negative = self.posed(self.prompt, self.learnt)

    def posed(self, positive: list, negative: list, **changes: object) -> tuple[list, list]:
        arguments = {"pose": self.pose, "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "fit": "pad"}
        return nodes.CFLDPoseConditioning.execute(self.cfld, positive, negative, **(arguments | changes)).result[:2]

    def patched(self, model: object, **changes: object) -> comfy.model_patcher.ModelPatcher:
        arguments = {"strength": 1.0, "pose_guidance": 2.0, "start_percent": 0.0, "end_percent": 1.0}
        return nodes.CFLDApplyHGA.execute(model, self.cfld, self.appearance, **(arguments | changes)).result[0]


def count_calls(model: comfy.model_patcher.ModelPatcher) -> tuple[comfy.model_patcher.ModelPatcher, list[int]]:
    """A clone that notes how many rows each U-Net call has."""
    calls: list[int] = []

    def noted(executor, x, *args, **kwargs):
        calls.append(len(x))
        return executor(x, *args, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "count", noted)
    return model, calls


def sigmas_of(model: comfy.model_patcher.ModelPatcher, steps: int) -> torch.Tensor:
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "ddim_uniform", steps)


def ksample(
    model: object, positive: list, negative: list, cfg: float = 2.0, steps: int = 2, sampler: str = "euler",
    latents: torch.Tensor | None = None, start: torch.Tensor | None = None, **changes: object,
) -> torch.Tensor:
    """What core's KSampler node computes, from the goldens' noise."""
    start = noise() if start is None else start
    latents = torch.zeros_like(start) if latents is None else latents
    return comfy.sample.sample(
        model, start, steps, cfg, sampler, "ddim_uniform", positive, negative, latents, seed=1, **changes
    )


def sampling_path(model: object, sigmas: torch.Tensor, start: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `reference.euler` needs to go the host's way from unit noise."""
    sampling = model.get_model_object("model_sampling")
    full_noise = float(sigmas[0]) * (1 + 1e-5) >= float(sampling.sigma_max)
    return {
        "latents": start * (torch.sqrt(1 + sigmas[0] ** 2) if full_noise else sigmas[0]), "sigmas": sigmas,
        "timesteps": torch.stack([sampling.timestep(sigma) for sigma in sigmas[:-1]]),
    }  # fmt: skip


def pipeline_latents(model: object, weights: Mapping[str, float], sigmas: torch.Tensor) -> torch.Tensor:
    """Euler in sigma space with the diffusers pipeline as the model: nothing of the host but its sigmas' timesteps."""
    return ask_reference("tiny_euler", weights=dict(weights), **sampling_path(model, sigmas, noise())) / LATENT_SCALE


def ask_reference(function: str, **arguments: object) -> Any:
    """What a function of `tests/reference.py` gives in the project's own Python, which has diffusers."""
    process = _reference()
    pickle.dump((function, arguments), process.stdin)
    process.stdin.flush()
    return pickle.load(process.stdout)


@lru_cache
def _reference() -> subprocess.Popen:
    """Ends when this process does, since nothing more comes in."""
    python = host.PACK / ".venv" / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{python} is missing, in which the pipeline runs; make venv")
    return subprocess.Popen(
        [python, "-m", "tests.reference"], cwd=host.PACK, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
