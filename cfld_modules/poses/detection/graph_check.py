"""Checks a network read from a file before it runs: its results and its cost, from the shapes of its tensors alone."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .graph import WITH_RELU6, Network

Shape = tuple[int, ...]
# Of one result and of all for one picture; BlazePose's networks have 1 and 16 million numbers and 0.4 billion products.
LARGEST_RESULT, MOST_NUMBERS, MOST_PRODUCTS = 5_000_000, 100_000_000, 5_000_000_000


def check_network(network: Network, picture: Shape, results: Mapping[str, Shape]) -> None:
    """That a network runs, and gives these results of such a picture.

    Raises:
        ValueError: it does not, or it needs much more than any network of BlazePose.
        KeyError, TypeError: a tensor, an operation or an option of it is not there.
    """
    layout = network.layout
    shapes: dict[int, Shape] = {number: tuple(weight.shape) for number, weight in network.weights.items()}
    shapes[layout.input] = picture
    numbers = products = 0
    for operation, _ in layout.steps_to(tuple(layout.outputs)):
        if not all(map(_is_whole, operation.options.values())):
            raise ValueError(f"{operation.kind} has the options {operation.options}")
        if operation.relu6 and operation.kind not in WITH_RELU6:
            raise ValueError(f"{operation.kind} with relu6")
        inputs = [shapes[number] for number in operation.inputs]
        shape = SHAPES[operation.kind](*inputs, **operation.options)
        size = math.prod(shape)
        numbers += size
        products += size * math.prod(inputs[1][1:]) if "CONV" in operation.kind else 0
        if min(shape) < 1 or size > LARGEST_RESULT or numbers > MOST_NUMBERS or products > MOST_PRODUCTS:
            raise ValueError(f"{operation.kind} gives {shape}")
        shapes[operation.output] = shape
    output_shapes = {name: shapes[number] for name, number in layout.outputs.items()}
    if not results.items() <= output_shapes.items():
        raise ValueError(f"it gives {output_shapes}")


def _is_whole(option: object) -> bool:
    """A whole number, or a list of such."""
    return all(type(number) is int for number in (option if isinstance(option, list) else [option]))


def _convolved(tensor: Shape, weight: Shape, bias: Shape, stride: int, padding: Sequence[int], groups: int) -> Shape:
    batch, height, width, channels = tensor
    out, group_width, rows, columns = weight
    left, right, top, bottom = padding
    if group_width * groups != channels or out % groups or bias != (out,) or stride < 1 or min(padding) < 0:
        raise ValueError(f"{tensor} is convolved by {weight} and {bias}")
    return batch, (height + top + bottom - rows) // stride + 1, (width + left + right - columns) // stride + 1, out


def _concatenated(*tensors: Shape, axis: int) -> Shape:
    first, *others = (list(tensor) for tensor in tensors)
    for other in others:
        first[axis] += other[axis]
        if len(other) != len(first) or other[:axis] != first[:axis] or other[axis:][1:] != first[axis:][1:]:
            raise ValueError(f"{tensors} are put together along {axis}")
    return tuple(first)


def _padded(tensor: Shape, padding: Sequence[int]) -> Shape:
    """The last axis comes first in `padding`."""
    sums = [before + after for before, after in zip(padding[0::2], padding[1::2], strict=True)]
    if len(sums) > len(tensor) or min(padding) < 0:
        raise ValueError(f"{tensor} is padded by {padding}")
    sums += [0] * (len(tensor) - len(sums))
    return tuple(size + padding_sum for size, padding_sum in zip(tensor, sums[::-1], strict=True))


def _reshaped(tensor: Shape, shape: Sequence[int]) -> Shape:
    if math.prod(shape) != math.prod(tensor[1:]):
        raise ValueError(f"{tensor} becomes {shape}")
    return tensor[0], *shape


def _resized(tensor: Shape, size: Sequence[int]) -> Shape:
    (batch, _, _, channels), (height, width) = tensor, size
    return batch, height, width, channels


def _pooled(tensor: Shape, size: int) -> Shape:
    batch, height, width, channels = tensor
    return batch, height // size, width // size, channels


def _spread(tensor: Shape, block: int) -> Shape:
    batch, height, width, channels = tensor
    if block < 1 or channels % block**2:
        raise ValueError(f"{tensor} in blocks of {block}")
    return batch, height * block, width * block, channels // block**2


SHAPES: dict[str, Callable[..., Shape]] = {
    "ADD": lambda first, second: np.broadcast_shapes(first, second),
    "CONCATENATION": _concatenated,
    "CONV_2D": _convolved,
    "DEPTHWISE_CONV_2D": _convolved,
    "DEPTH_TO_SPACE": _spread,
    "LOGISTIC": lambda tensor: tensor,
    "MAX_POOL_2D": _pooled,
    "PAD": _padded,
    "RESHAPE": _reshaped,
    "RESIZE_BILINEAR": _resized,
}
"""The shape that each of `graph.OPERATIONS` gives, by those of its inputs."""
