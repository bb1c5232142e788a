"""What the diffusers pipeline gives, for tests under a host's Python, which has no diffusers.

Run in the project's own Python as a process that reads pickles of (name of a function here, its arguments) and writes
pickles of what it returns.
"""

import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from unittest import mock

import numpy as np
import torch
from PIL import Image

from cfld_modules.demo_model import BASE_FOLDER, CFLD_FILE, LORA_FILE
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.networks.config import read_config
from cfld_modules.networks.model import CFLD, Appearance
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.pipeline.unet_patch import patch_unet
from cfld_modules.poses.reading import read_pose_keypoints
from tests import golden
from tests.tiny_models import tiny_unet


def euler(
    pipeline: CFLDPipeline, encoded: tuple[Appearance, list[torch.Tensor]], weights: Mapping[str, float],
    latents: torch.Tensor, sigmas: torch.Tensor, timesteps: torch.Tensor,
) -> torch.Tensor:
    """Euler's method in sigma space, in the U-Net's units.

    Args:
        encoded: a person's appearance and a pose's maps.
        latents: at the first sigma; sigmas: one more than `timesteps`.
    """
    for sigma, following, timestep in zip(sigmas[:-1], sigmas[1:], timesteps, strict=True):
        epsilon = pipeline.guided_epsilon(latents / torch.sqrt(1 + sigma**2), timestep, weights, *encoded)
        latents = latents + (following - sigma) * epsilon
    return latents


# The goldens' tiny model


@lru_cache
def _tiny() -> tuple[CFLDPipeline, tuple[Appearance, list[torch.Tensor]]]:
    """The pipeline, and the goldens' people and target poses."""
    networks = CFLD(read_config({name: tuple(tensor.shape) for name, tensor in golden.networks_state().items()}))
    networks.load_state_dict(golden.networks_state())
    networks.requires_grad_(False).eval()
    stored = golden.golden()
    maps = golden.pose_input(stored["in.pose_to.draw_u8"], stored["in.pose_to.centres"])
    pipeline = CFLDPipeline(patch_unet(tiny_unet(), {}), None, published_scheduler(), networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, (networks.encode_source(golden.as_cond(stored["in.img_cond_u8"])), networks.encode_pose(maps))


def tiny_euler(weights: Mapping[str, float], **path: torch.Tensor) -> torch.Tensor:
    return euler(*_tiny(), weights, **path)


def tiny_ddpm(latents: torch.Tensor, noises: Sequence[torch.Tensor]) -> torch.Tensor:
    """The authors' ancestral sampler from `latents`, a step for each of the noises."""
    pipeline, encoded = _tiny()
    left = iter(noises)
    with mock.patch("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *args, **kwargs: next(left)):
        return pipeline.denoise(latents, *encoded, steps=len(noises))


# The demo model


@lru_cache
def _demo(with_lora: bool = False) -> CFLDPipeline:
    return load_pipeline(BASE_FOLDER, CFLD_FILE, "ddim_trailing", LORA_FILE if with_lora else None)


def _encoded(photograph: np.ndarray, pose: list[dict]) -> tuple[Appearance, list[torch.Tensor]]:
    """Of RGB uint8 (H, W, 3), and of what a POSE_KEYPOINT wire has."""
    return (
        _demo().encode_sources([Image.fromarray(photograph)], "pad"),
        _demo().encode_poses(read_pose_keypoints(pose), "pad"),
    )


def demo_euler(
    photograph: np.ndarray, pose: list[dict], weights: Mapping[str, float], with_lora: bool = False,
    **path: torch.Tensor,
) -> torch.Tensor:
    return euler(_demo(with_lora), _encoded(photograph, pose), weights, **path)


def demo_inverted(photograph: np.ndarray, pose: list[dict], latents: torch.Tensor) -> torch.Tensor:
    """DDIM inversion of clean latents in the U-Net's units, by the unconditional row."""
    return _demo().invert(latents, *_encoded(photograph, pose), "uc")


def demo_decoded(latents: torch.Tensor, width: int, height: int) -> np.ndarray:
    """Latents in the U-Net's units -> RGB uint8 (B, height, width, 3)."""
    return _demo().decode(latents, width, height)


@torch.no_grad()
def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints does not get among the pickles
    while sys.stdin.buffer.peek(1):  # until the other end closes
        function, arguments = pickle.load(sys.stdin.buffer)
        pickle.dump(globals()[function](**arguments), answers)
        answers.flush()


if __name__ == "__main__":
    main()
