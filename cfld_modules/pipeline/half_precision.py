"""Warns where a processor computes in 16 bits so slowly that nobody would wait for it."""

import logging

import torch

logger = logging.getLogger("cfld")


def warn_if_emulated(device: torch.device, precision: str, remedy: str) -> None:
    """On x86 without AVX-512 it takes a hundred times as long: findings/torch_half_convolution_without_avx512.sh."""
    is_half = precision in ("fp16", "bf16")
    if is_half and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        logger.warning("%s: this processor's convolutions take a hundred times as long in it; %s", precision, remedy)
