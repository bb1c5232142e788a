"""A file of networks that give what BlazePose's give, in shape, and see nothing."""

import dataclasses
import json

import torch
from safetensors.torch import save

from cfld_modules.poses.detection.blazepose import RESULTS
from cfld_modules.poses.detection.graph import GraphLayout, Operation

# Of each result the stride of a convolution with one pixel, and its channels.
CONVOLUTIONS = {
    "detector": {"Identity": (32, 552), "Identity_1": (32, 46)},
    "landmarks": {"Identity": (256, 195), "Identity_1": (256, 1), "Identity_2": (1, 1), "Identity_4": (256, 117)},
}


def smallest_blazepose() -> tuple[dict[str, torch.Tensor], dict[str, GraphLayout]]:
    """(weights, layouts)"""
    weights, layouts = {}, {}
    for network, convolutions in CONVOLUTIONS.items():
        operations, outputs = [], {}
        for place, (name, (stride, channels)) in enumerate(convolutions.items()):
            weight, bias, convolved, output = range(4 * place + 1, 4 * place + 5)
            weights[f"{network}.{weight}"] = torch.zeros(channels, 3, 1, 1)
            weights[f"{network}.{bias}"] = torch.zeros(channels)
            options = {"stride": stride, "padding": [0] * 4, "groups": 1}
            operations += [
                Operation("CONV_2D", [0, weight, bias], convolved, options),
                Operation("RESHAPE", [convolved], output, {"shape": list(RESULTS[network][name][1:])}),
            ]
            outputs[name] = output
        layouts[network] = GraphLayout(0, outputs, operations)
    return weights, layouts


def blazepose_content(weights: dict[str, torch.Tensor], layouts: dict[str, GraphLayout]) -> bytes:
    """As a file."""
    return save(weights, {name: json.dumps(dataclasses.asdict(layout)) for name, layout in layouts.items()})
