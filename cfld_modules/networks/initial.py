"""Initial values of the networks' parameters, before training."""

import torch
from torch import nn


def normal_parameter(*shape: int, deviation: float) -> nn.Parameter:
    """Normal numbers around 0; none on the meta device, where PyTorch would import 800 modules to draw them."""
    tensor = torch.empty(shape)
    return nn.Parameter(tensor if tensor.is_meta else tensor.normal_(std=deviation))
