"""Reads a TensorFlow Lite file as the list of operations that `poses.detection.graph` runs.

Fields and kinds are numbered as in TensorFlow's schema (tensorflow/compiler/mlir/lite/schema/schema.fbs). Of the format
only what BlazePose's networks hold is read; anything else is an error, never a guess.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from ..poses.detection.graph import GraphLayout, Network, Operation
from .flatbuffer import Table

IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of a file."""
# Numbers of a network: the largest of BlazePose's has 14 million, and sparse ones are 1.4 to a byte of their file.
MOST_WEIGHTS, MOST_WEIGHTS_A_BYTE = 20_000_000, 4
_DTYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
_KINDS = {
    0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE",
    14: "LOGISTIC", 17: "MAX_POOL_2D", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 34: "PAD", 124: "DENSIFY",
}  # fmt: skip
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_ACTIVATION_FIELDS = {"ADD": 0, "CONCATENATION": 1, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "MAX_POOL_2D": 5}
_RELU6 = {0: False, 3: True}
_SAME, _VALID = 0, 1
_DENSE, _SPARSE = 0, 1
_INDEX_DTYPES = {1: "<i4", 2: "<u2", 3: "u1"}
# Their results are constants: half-precision and sparse weights are kept as they are and unpacked by the graph itself.
_UNPACKING = ("DEQUANTIZE", "DENSIFY")


Known = TypeVar("Known")


class TFLiteFile:
    """The graph in a .tflite file. Of what is damaged or not read here its methods raise ValueError or LookupError."""

    def __init__(self, content: bytes) -> None:
        if content[4:8] != IDENTIFIER:
            raise ValueError("it is no TensorFlow Lite file")
        model = Table.root(content)
        (self._graph,) = model.tables(2)
        self._tensors = self._graph.tables(0)
        self._codes = model.tables(1)
        self._buffers = model.tables(4)
        self._most_weights = min(MOST_WEIGHTS, MOST_WEIGHTS_A_BYTE * len(content))
        (self.input,) = self._graph.array(1, "<u4").tolist()
        self.outputs: list[int] = self._graph.array(2, "<u4").tolist()
        """Numbers of the tensors that are the picture and the results."""

    def shape(self, number: int) -> tuple[int, ...]:
        """Of a tensor by its number."""
        return tuple(self._tensors[number].array(0, "<u4").tolist())

    def network(self, outputs: dict[str, int]) -> Network:
        """The graph to these outputs, by the names that they get, and its weights, in the precision of the file."""
        operations: list[Operation] = []
        weights: dict[int, np.ndarray] = {}
        stored = {number: number for number in range(len(self._tensors)) if self._content(number).size}
        for operator in self._graph.tables(3):
            kind, settings = self._kind(operator), operator.table(4)
            inputs, output = operator.array(1, "<u4").tolist(), operator.array(2, "<u4").tolist()[0]
            if kind in _UNPACKING:
                stored[output] = stored[inputs[0]]
                continue
            constants = [stored[number] for number in inputs if number in stored]
            options = self._options(kind, settings, inputs, output, constants)
            if kind in _CONVOLUTIONS:
                weight, bias = (self._constant(number) for number in constants)
                order = (0, 3, 1, 2) if kind == "CONV_2D" else (3, 0, 1, 2)  # of depthwise ones the output is last
                weights |= {inputs[1]: weight.transpose(order), inputs[2]: bias}
                if sum(array.size for array in weights.values()) > self._most_weights:
                    raise ValueError(f"it has more than {self._most_weights} weights")
            else:  # paddings, shapes and sizes are options of ours
                inputs = [number for number in inputs if number not in stored]
            operations.append(Operation(kind, inputs, output, options, _has_relu6(kind, settings)))
        tensors = {number: torch.tensor(array).contiguous() for number, array in weights.items()}
        return Network(GraphLayout(self.input, outputs, operations), tensors)

    def _kind(self, operator: Table) -> str:
        code = self._codes[operator.number(0, "<I")]
        number = max(code.number(0, "b"), code.number(3))  # files of before 2020 have the first alone
        return _known(_KINDS, number, "operation")

    def _options(
        self, kind: str, settings: Table | None, inputs: list[int], output: int, constants: list[int]
    ) -> dict[str, Any]:
        """What the operation's function in `graph.OPERATIONS` takes, all of it fixed by the shapes of the graph."""
        match kind, settings:
            case ("ADD", Table()) | ("LOGISTIC", _):
                return {}
            case "CONCATENATION", Table():
                return {"axis": settings.number(0)}
            case ("CONV_2D" | "DEPTHWISE_CONV_2D"), Table():
                height, width = self.shape(constants[0])[1:3]
                first = 4 if kind == "CONV_2D" else 5  # of the dilations
                stride, padding = settings.number(2), settings.number(0, "b")
                dilations = {settings.number(field, "<i", 1) for field in (first, first + 1)}
                if stride < 1 or settings.number(1) != stride or dilations != {1}:
                    raise ValueError("it holds a convolution of uneven strides or dilated, which is not read here")
                shape = self.shape(inputs[0])
                same = _known({_SAME: True, _VALID: False}, padding, "padding")
                sides = _same_padding(shape, (height, width), stride) if same else [0] * 4
                return {"stride": stride, "padding": sides, "groups": 1 if kind == "CONV_2D" else shape[-1]}
            case "DEPTH_TO_SPACE", Table():
                return {"block": settings.number(0)}
            case "MAX_POOL_2D", Table():
                sizes = {settings.number(field) for field in (1, 2, 3, 4)}
                if len(sizes) != 1:
                    raise ValueError("it holds a pooling of overlapping windows, which is not read here")
                return {"size": sizes.pop()}
            case "PAD", _:
                return {"padding": self._constant(constants[0])[::-1].ravel().tolist()}
            case "RESHAPE", _:
                return {"shape": list(self.shape(output)[1:])}
            case "RESIZE_BILINEAR", Table():
                if settings.number(2, "b") or not settings.number(3, "b"):
                    raise ValueError("it holds a resizing by other than pixels' middles, which is not read here")
                return {"size": self._constant(constants[0]).tolist()}
        raise ValueError(f"its operation {kind} has no settings")

    def _content(self, number: int) -> np.ndarray:
        """What is stored of a tensor, in bytes."""
        return self._buffers[self._tensors[number].number(2, "<I")].array(0, "u1")

    def _constant(self, number: int) -> np.ndarray:
        """A tensor that is stored in the file, dense."""
        tensor, shape = self._tensors[number], self.shape(number)
        if math.prod(shape) > self._most_weights:
            raise ValueError(f"it has a tensor of the shape {shape}")
        values = self._content(number).view(_known(_DTYPES, tensor.number(1, "b"), "type"))
        sparsity = tensor.table(6)
        return values.reshape(shape) if sparsity is None else _dense(values, shape, sparsity)


def _has_relu6(kind: str, settings: Table | None) -> bool:
    if settings is None or kind not in _ACTIVATION_FIELDS:
        return False
    return _known(_RELU6, settings.number(_ACTIVATION_FIELDS[kind], "b"), "activation")


def _known(names: Mapping[int, Known], number: int, what: str) -> Known:
    if number not in names:
        raise ValueError(f"it holds the {what} {number} of TensorFlow Lite's, which is not read here")
    return names[number]


def _same_padding(shape: tuple[int, ...], kernel: tuple[int, int], stride: int) -> list[int]:
    """TensorFlow's SAME: left, right, top, bottom; where the sum is odd, one more after than before."""
    sides: list[int] = []
    for size, length in zip(shape[2:0:-1], kernel[::-1], strict=True):
        total = max((-(-size // stride) - 1) * stride + length - size, 0)
        sides += [total // 2, total - total // 2]
    return sides


def _dense(values: np.ndarray, shape: tuple[int, ...], sparsity: Table) -> np.ndarray:
    """A tensor whose last axis is sparse: values one after another, and the places that they have in their rows."""
    axes = sparsity.tables(2)
    if [axis.number(0, "b") for axis in axes] != [_DENSE] * (len(shape) - 1) + [_SPARSE]:
        raise ValueError("it holds a sparse tensor in a form that is not read here")
    row_ends, places = (_indices(axes[-1], field) for field in (2, 4))
    lengths = np.diff(row_ends)
    if len(lengths) != math.prod(shape[:-1]) or (lengths < 0).any() or lengths.sum() != len(places):
        raise ValueError("it holds a sparse tensor with other rows than its shape")
    dense = np.zeros((len(lengths), shape[-1]), values.dtype)
    dense[np.repeat(np.arange(len(lengths)), lengths), places] = values[: len(places)]
    return dense.reshape(shape)


def _indices(axis: Table, field: int) -> np.ndarray:
    """A vector of which the field says the width of its numbers; the next one is the vector itself."""
    vector = axis.table(field + 1)
    if vector is None:
        raise ValueError("it holds a sparse tensor without places")
    return vector.array(0, _known(_INDEX_DTYPES, axis.number(field, "B"), "index type")).astype(np.int64)
