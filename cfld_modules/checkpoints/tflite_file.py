"""TensorFlow Lite's file format, read into what `poses.detection.graph` runs.

The schema comes from the package `tflite`, which is needed here alone: what was read is kept as a .safetensors. Of the
format only what BlazePose's networks hold is read; anything else is an error, never a guess.
"""

from typing import Any

import numpy as np
import tflite
import torch

from ..errors import CheckpointError
from ..poses.detection.graph import GraphLayout, Operation

_DTYPES = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.FLOAT16: "<f2", tflite.TensorType.INT32: "<i4"}
_KINDS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
_OPTIONS = {
    "ADD": tflite.AddOptions, "CONCATENATION": tflite.ConcatenationOptions, "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions, "DEPTH_TO_SPACE": tflite.DepthToSpaceOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
}
_ACTIVATIONS = {tflite.ActivationFunctionType.NONE: False, tflite.ActivationFunctionType.RELU6: True}
# Their results are constants: half-precision and sparse weights are kept as they are and unpacked by the graph itself.
_UNPACKING = ("DEQUANTIZE", "DENSIFY")


def read_tflite(content: bytes) -> tuple[GraphLayout, dict[int, torch.Tensor]]:
    """The graph in a .tflite file and its weights, by the numbers of their tensors, in the precision of the file.

    Raises:
        CheckpointError: the file holds something that `Graph` does not run.
    """
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    constants = _constants(model, graph)
    operations: list[Operation] = []
    weights: dict[int, np.ndarray] = {}
    for operator in (graph.Operators(index) for index in range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = _KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, output = operator.InputsAsNumpy().tolist(), operator.Outputs(0)
        if kind in _UNPACKING:
            constants[output] = constants[inputs[0]]
            continue
        shapes = [graph.Tensors(number).ShapeAsNumpy().tolist() for number in (*inputs, output)]
        table = _table(kind, operator)
        parameters = [constants[number] for number in inputs if number in constants]
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights |= dict(zip(inputs[1:], (_torch_weight(kind, parameters[0]), parameters[1]), strict=True))
        else:  # paddings, shapes and sizes are options of ours
            inputs = [number for number in inputs if number not in constants]
        options = _options(kind, table, shapes, parameters)
        relu6 = _ACTIVATIONS[table.FusedActivationFunction()] if hasattr(table, "FusedActivationFunction") else False
        operations.append(Operation(kind, inputs, output, options, relu6))
    outputs = {graph.Tensors(number).Name().decode(): number for number in graph.OutputsAsNumpy().tolist()}
    tensors = {number: torch.tensor(weight).contiguous() for number, weight in weights.items()}
    return GraphLayout(graph.Inputs(0), outputs, operations), tensors


def _options(kind: str, table: Any, shapes: list[list[int]], parameters: list[np.ndarray]) -> dict[str, Any]:
    """What the operation's function in `graph.OPERATIONS` takes, all of it fixed by the shapes of the graph."""
    match kind:
        case "ADD" | "LOGISTIC":
            return {}
        case "CONCATENATION":
            return {"axis": table.Axis()}
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            stride, kernel = table.StrideH(), parameters[0].shape[1:3]
            sides = _same_padding(shapes[0], kernel, stride) if table.Padding() == tflite.Padding.SAME else [0] * 4
            return {"stride": stride, "padding": sides, "groups": 1 if kind == "CONV_2D" else shapes[0][-1]}
        case "DEPTH_TO_SPACE":
            return {"block": table.BlockSize()}
        case "MAX_POOL_2D":
            return {"size": table.FilterHeight()}
        case "PAD":
            return {"padding": parameters[0][::-1].ravel().tolist()}
        case "RESHAPE":
            return {"shape": shapes[-1][1:]}
        case "RESIZE_BILINEAR":
            return {"size": parameters[0].tolist()}
    raise CheckpointError(f"the .tflite file holds the operation {kind}, which is not read here")


def _same_padding(shape: list[int], kernel: tuple[int, ...], stride: int) -> list[int]:
    """TensorFlow's SAME: left, right, top, bottom; where the sum is odd, one more after than before."""
    sides: list[int] = []
    for size, length in zip(shape[2:0:-1], kernel[::-1], strict=True):
        total = max((-(-size // stride) - 1) * stride + length - size, 0)
        sides += [total // 2, total - total // 2]
    return sides


def _torch_weight(kind: str, weight: np.ndarray) -> np.ndarray:
    """(out, height, width, in), of depthwise convolutions (1, height, width, out), -> (out, in, height, width)."""
    return weight.transpose(0, 3, 1, 2) if kind == "CONV_2D" else weight.transpose(3, 0, 1, 2)


def _table(kind: str, operator: Any) -> Any:
    """The operation's options by the schema; None where it has none that are read."""
    if kind not in _OPTIONS:
        return None
    table, stored = _OPTIONS[kind](), operator.BuiltinOptions()
    table.Init(stored.Bytes, stored.Pos)
    return table


def _constants(model: Any, graph: Any) -> dict[int, np.ndarray]:
    """Every tensor that is stored in the file, dense, by its number."""
    constants = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        content = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(content, np.ndarray):
            values = content.view(_DTYPES[tensor.Type()])
            shape = tensor.ShapeAsNumpy()
            constants[number] = values.reshape(shape) if tensor.Sparsity() is None else _dense(values, tensor)
    return constants


def _dense(values: np.ndarray, tensor: Any) -> np.ndarray:
    """A tensor whose last axis is sparse: values one after another, and the places that they have in their rows."""
    shape, sparsity = tensor.ShapeAsNumpy(), tensor.Sparsity()
    formats = [sparsity.DimMetadata(axis).Format() for axis in range(sparsity.DimMetadataLength())]
    if formats != [tflite.DimensionType.DENSE] * (len(shape) - 1) + [tflite.DimensionType.SPARSE_CSR]:
        raise CheckpointError("the .tflite file holds a sparse tensor in a form that is not read here")
    last = sparsity.DimMetadata(len(shape) - 1)
    row_ends = _sparse_vector(last.ArraySegmentsType(), last.ArraySegments())
    places = _sparse_vector(last.ArrayIndicesType(), last.ArrayIndices())
    rows = np.repeat(np.arange(len(row_ends) - 1), np.diff(row_ends))
    dense = np.zeros((len(row_ends) - 1, shape[-1]), values.dtype)
    dense[rows, places] = values[: len(places)]
    return dense.reshape(shape)


def _sparse_vector(kind: int, stored: Any) -> np.ndarray:
    vector = {
        tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
        tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
        tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
    }[kind]()
    vector.Init(stored.Bytes, stored.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
