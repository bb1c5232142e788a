"""A network that is kept as a list of operations, as TensorFlow Lite keeps it, run in torch.

Tensors between operations are (B, height, width, channels), as in TensorFlow; torch sees a convolution's as
channels-last (B, channels, height, width), which moves no memory.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

    def steps_to(self, names: Sequence[str]) -> list[tuple[Operation, list[int]]]:
        """The operations that these results take, in order, and the tensors that nobody needs after each."""
        needed = {self.outputs[name] for name in names}
        steps: list[tuple[Operation, list[int]]] = []
        for operation in reversed(self.operations):
            if operation.output in needed:
                last_used = [number for number in operation.inputs if number not in needed]
                steps.append((operation, last_used))
                needed |= set(last_used)
        return steps[::-1]


@dataclass(frozen=True)
class Network:
    """A graph as a file has it: its layout, and its weights by the numbers of their tensors."""

    layout: GraphLayout
    weights: Mapping[int, torch.Tensor]

    def prepared(self) -> "Network":
        """The same as torch runs it fastest: float32, weights channels-last, padding inside convolutions."""
        weights = {
            number: weight.float().contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight.float()
            for number, weight in self.weights.items()
        }
        return Network(replace(self.layout, operations=_padding_in_convolutions(self.layout)), weights)


def _padding_in_convolutions(layout: GraphLayout) -> list[Operation]:
    """A padding of height and width that is seen by nothing but one convolution is left to that."""
    operations = [operation for operation, _ in layout.steps_to(tuple(layout.outputs))]
    use_counts = Counter(number for operation in operations for number in operation.inputs)
    use_counts.update(layout.outputs.values())
    paddings: dict[int, tuple[int, list[int]]] = {}
    new_operations: list[Operation] = []
    for operation in operations:
        first = operation.inputs[0]
        if "CONV" in operation.kind and first in paddings:
            first, sides = paddings[first]
            padding = [inner + more for inner, more in zip(operation.options["padding"], sides, strict=True)]
            options = {**operation.options, "padding": padding}
            operation = replace(operation, inputs=[first, *operation.inputs[1:]], options=options)
        if operation.kind == "PAD" and use_counts[operation.output] == 1:
            channels, sides = operation.options["padding"][:2], operation.options["padding"][2:6]
            if not any(channels) and len(sides) == 4 and not any(operation.options["padding"][6:]):
                paddings[operation.output] = (first, sides)
        new_operations.append(operation)  # a padding that nobody sees any more is not run
    return new_operations


class Graph(torch.nn.Module):
    """A network that runs."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.layout = network.layout
        for number, weight in network.weights.items():
            self.register_parameter(str(number), torch.nn.Parameter(weight, requires_grad=False))

    def forward(self, picture: torch.Tensor, *names: str) -> dict[str, torch.Tensor]:
        """The results of these names, or all."""
        tensors: dict[int, torch.Tensor] = {int(number): weight for number, weight in self.named_parameters()}
        tensors[self.layout.input] = picture
        names = names or tuple(self.layout.outputs)
        for operation, last_used in self.layout.steps_to(names):
            result = OPERATIONS[operation.kind](*(tensors[number] for number in operation.inputs), **operation.options)
            tensors[operation.output] = result.clamp_(0, 6) if operation.relu6 else result
            for number in last_used:  # its memory serves the next result
                tensors.pop(number, None)
        return {name: tensors[self.layout.outputs[name]] for name in names}


def _convolve(
    tensor: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int, padding: Sequence[int], groups: int
) -> torch.Tensor:
    """weight: (out, in / groups, height, width); padding: left, right, top, bottom, which may differ."""
    channels_first = tensor.movedim(-1, 1)
    left, right, top, bottom = padding
    sides = (min(top, bottom), min(left, right))
    rest = [left - sides[1], right - sides[1], top - sides[0], bottom - sides[0]]
    if any(rest):
        channels_first = functional.pad(channels_first, rest)
    return functional.conv2d(channels_first, weight, bias, stride, sides, groups=groups).movedim(1, -1)


OPERATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "ADD": torch.add,
    "CONCATENATION": lambda *tensors, axis: torch.cat(tensors, axis),
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "DEPTH_TO_SPACE": lambda tensor, block: rearrange(tensor, "b h w (y x c) -> b (h y) (w x) c", y=block, x=block),
    "LOGISTIC": torch.sigmoid,
    "MAX_POOL_2D": lambda tensor, size: functional.max_pool2d(tensor.movedim(-1, 1), size).movedim(1, -1),
    "PAD": lambda tensor, padding: functional.pad(tensor, list(padding)),
    "RESHAPE": lambda tensor, shape: tensor.reshape(len(tensor), *shape),
    "RESIZE_BILINEAR": lambda tensor, size: functional.interpolate(
        tensor.movedim(-1, 1), list(size), mode="bilinear"
    ).movedim(1, -1),
}
"""By TensorFlow Lite's names. `shape` is that of one picture of a batch, `padding` of PAD begins with the last axis."""
WITH_RELU6 = ("ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")
"""Their results are new memory, so they are cut in place; what others give can be their input in another shape."""
