"""A network that is kept as a list of operations, as TensorFlow Lite keeps it, run in torch.

Tensors between operations are (B, height, width, channels), as in TensorFlow; torch sees a convolution's as
channels-last (B, channels, height, width), which moves no memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from einops import rearrange
from torch.nn import functional


@dataclass(frozen=True)
class Operation:
    """One step of a graph.

    kind: a key of `OPERATIONS`.
    inputs, output: numbers of tensors: weights, or results of earlier steps.
    options: what its function in `OPERATIONS` takes beside them.
    relu6: whether the result is cut to 0 .. 6.
    """

    kind: str
    inputs: Sequence[int]
    output: int
    options: Mapping[str, Any] = field(default_factory=dict)
    relu6: bool = False


@dataclass(frozen=True)
class GraphLayout:
    """What a graph is, without its weights; `dataclasses.asdict` of it is JSON.

    input: number of the picture (B, height, width, 3).
    outputs: number of each result by its name.
    """

    input: int
    outputs: Mapping[str, int]
    operations: Sequence[Operation]

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "GraphLayout":
        return cls(value["input"], value["outputs"], [Operation(**operation) for operation in value["operations"]])


class Graph(torch.nn.Module):
    """A graph with its weights in float32; `forward` gives the results by name."""

    def __init__(self, layout: GraphLayout, weights: Mapping[int, torch.Tensor]) -> None:
        super().__init__()
        self.layout = layout
        for number, weight in weights.items():
            self.register_parameter(str(number), torch.nn.Parameter(weight.float(), requires_grad=False))

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        tensors = self.run(picture)
        return {name: tensors[number] for name, number in self.layout.outputs.items()}

    def run(self, picture: torch.Tensor) -> dict[int, torch.Tensor]:
        """All tensors by their numbers."""
        tensors: dict[int, torch.Tensor] = {int(number): weight for number, weight in self.named_parameters()}
        tensors[self.layout.input] = picture
        for operation in self.layout.operations:
            inputs = [tensors[number] for number in operation.inputs]
            result = OPERATIONS[operation.kind](*inputs, **operation.options)
            tensors[operation.output] = result.clamp(0, 6) if operation.relu6 else result
        return tensors


def _convolve(
    tensor: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int, padding: Sequence[int], groups: int
) -> torch.Tensor:
    """weight: (out, in / groups, height, width); padding: left, right, top, bottom, which may differ."""
    channels_first = functional.pad(tensor.movedim(-1, 1), list(padding))
    return functional.conv2d(channels_first, weight, bias, stride, groups=groups).movedim(1, -1)


def _max_pool(tensor: torch.Tensor, size: int) -> torch.Tensor:
    return functional.max_pool2d(tensor.movedim(-1, 1), size).movedim(1, -1)


def _resize(tensor: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return functional.interpolate(tensor.movedim(-1, 1), list(size), mode="bilinear").movedim(1, -1)


def _depth_to_space(tensor: torch.Tensor, block: int) -> torch.Tensor:
    return rearrange(tensor, "b h w (y x c) -> b (h y) (w x) c", y=block, x=block)


OPERATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "ADD": torch.add,
    "CONCATENATION": lambda *tensors, axis: torch.cat(tensors, axis),
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "DEPTH_TO_SPACE": _depth_to_space,
    "LOGISTIC": torch.sigmoid,
    "MAX_POOL_2D": _max_pool,
    "PAD": lambda tensor, padding: functional.pad(tensor, list(padding)),
    "RESHAPE": lambda tensor, shape: tensor.reshape(len(tensor), *shape),
    "RESIZE_BILINEAR": _resize,
}
"""By TensorFlow Lite's names. `shape` is that of one picture of a batch, `padding` of PAD begins with the last axis."""
