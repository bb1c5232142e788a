"""Checks a network read from a file before it runs: its results and its cost, by tensors that have shapes alone."""

import math
from collections.abc import Mapping

import torch

from .graph import OPERATIONS, WITH_RELU6, Network

Shape = tuple[int, ...]
# Of one result and of all for one picture; BlazePose's networks have 1 and 16 million numbers and 0.4 billion products.
LARGEST_RESULT, MOST_NUMBERS, MOST_PRODUCTS = 5_000_000, 100_000_000, 5_000_000_000


def check_network(network: Network, picture: Shape, results: Mapping[str, Shape]) -> None:
    """That a network gives these results of such a picture, at bounded cost; or ValueError, or what torch raises."""
    layout = network.layout
    tensors = {number: torch.empty(weight.shape, device="meta") for number, weight in network.weights.items()}
    tensors[layout.input] = torch.empty(picture, device="meta")
    numbers = products = 0
    for operation, _ in layout.steps_to(tuple(layout.outputs)):
        kind, options = operation.kind, operation.options
        if not all(_are_counts(option) or name == "axis" for name, option in options.items()):
            raise ValueError(f"{kind} has the options {options}")
        if operation.relu6 and kind not in WITH_RELU6:
            raise ValueError(f"{kind} with relu6")
        inputs = [tensors[number] for number in operation.inputs]
        result = OPERATIONS[kind](*inputs, **options)
        numbers += result.numel()
        if "CONV" in kind:
            _, weight, bias = inputs
            if bias.shape != weight.shape[:1] or len(weight) % options["groups"]:  # which meta tensors let through
                raise ValueError(f"{kind} by {tuple(weight.shape)} and {tuple(bias.shape)}")
            products += result.numel() * math.prod(weight.shape[1:])
        is_small = 0 < result.numel() <= LARGEST_RESULT
        if not is_small or numbers > MOST_NUMBERS or products > MOST_PRODUCTS:
            raise ValueError(f"{kind} gives {tuple(result.shape)}")
        tensors[operation.output] = result
    shapes = {name: tuple(tensors[number].shape) for name, number in layout.outputs.items()}
    if not results.items() <= shapes.items():
        raise ValueError(f"it gives {shapes}")


def _are_counts(option: object) -> bool:
    """A whole number that is not negative, or a list of such."""
    return all(type(number) is int and number >= 0 for number in (option if isinstance(option, list) else [option]))
