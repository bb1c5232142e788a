"""Graphs of operations as TensorFlow Lite has them, and its file format, on small ones made up here."""

import flatbuffers
import numpy as np
import pytest
import tflite
import torch

from cfld_modules.checkpoints.tflite_file import read_tflite
from cfld_modules.errors import CheckpointError
from cfld_modules.poses.detection.graph import Graph, GraphLayout, Operation

RANDOM = np.random.default_rng(0)


def run(kind: str, *tensors: np.ndarray, **options: object) -> np.ndarray:
    """One operation alone: its result."""
    operation = Operation(kind, [0] * len(tensors), 1, options)
    layout = GraphLayout(0, {"result": 1}, [operation])
    return Graph(layout, {})(torch.from_numpy(tensors[0]))["result"].numpy()


def picture(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def test_operations_do_what_tensorflow_s_do():
    tensor = picture(2, 4, 6, 8)
    blocks = run("DEPTH_TO_SPACE", tensor, block=2)
    assert blocks.shape == (2, 8, 12, 2)
    np.testing.assert_array_equal(blocks[:, 1::2, 0::2], tensor[..., 4:6])  # below first, then from left to right
    np.testing.assert_array_equal(run("PAD", tensor, padding=[0, 3, 1, 0])[:, :, 1:, :8], tensor)
    assert run("PAD", tensor, padding=[0, 3, 1, 0]).shape == (2, 4, 7, 11)
    pooled = run("MAX_POOL_2D", tensor, size=2)
    np.testing.assert_array_equal(pooled, tensor.reshape(2, 2, 2, 3, 2, 8).max(axis=(2, 4)))
    np.testing.assert_array_equal(run("RESHAPE", tensor, shape=[-1, 4]), tensor.reshape(2, -1, 4))
    np.testing.assert_allclose(run("LOGISTIC", tensor), 1 / (1 + np.exp(-tensor)), rtol=1e-5)
    np.testing.assert_array_equal(run("ADD", tensor, tensor), 2 * tensor)
    np.testing.assert_array_equal(run("CONCATENATION", tensor, tensor, axis=1)[:, 4:], tensor)
    # Half-pixel centres: the first of two new pixels lies a quarter before the old one's middle, the second after it.
    doubled = run("RESIZE_BILINEAR", tensor, size=[8, 12])
    np.testing.assert_allclose(doubled[:, 1, 0], 0.75 * tensor[:, 0, 0] + 0.25 * tensor[:, 1, 0], atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 7, 6, 3), (1, 8, 9, 3)])
def test_a_file_is_the_network_it_describes(size, stride):
    """Sparse half-precision weights, SAME padding (an odd one goes behind), relu6 and depthwise weights."""
    image, weight, bias = picture(*size), (picture(4, 3, 3, 3) * 3).astype(np.float16), picture(4).astype(np.float16)
    weight[RANDOM.random(weight.shape) < 0.6] = 0
    depthwise = picture(1, 2, 2, 4).astype(np.float16)
    layout, weights = read_tflite(tflite_file(size, weight, bias, depthwise, stride))
    result = Graph(layout, weights)(torch.from_numpy(image))["result"].numpy()
    expected = np.clip(convolve_same(image, weight.astype(np.float32), bias, stride), 0, 6)
    assert (expected == 6).any() and (expected == 0).any()
    every_channel = np.zeros((4, 2, 2, 4), np.float32)
    every_channel[range(4), :, :, range(4)] = depthwise[0].transpose(2, 0, 1)
    np.testing.assert_allclose(result, convolve_same(expected, every_channel, bias, 1), atol=1e-3)


def test_an_operation_that_is_not_known_is_named():
    weights = (picture(*shape).astype(np.float16) for shape in ((4, 3, 3, 3), (4,), (1, 2, 2, 4)))
    content = tflite_file((1, 4, 4, 3), *weights, 1, tflite.BuiltinOperator.ELU)
    with pytest.raises(CheckpointError, match="operation ELU, which is not read here"):
        read_tflite(content)


def convolve_same(image, weight, bias, stride):
    """By the definition: weight (out, height, width, in), TensorFlow's SAME padding."""
    height, width = image.shape[1:3]
    kernel = weight.shape[1:3]
    rows, columns = (-(-length // stride) for length in (height, width))
    missing = [
        max((count - 1) * stride + size - length, 0)
        for count, size, length in zip((rows, columns), kernel, (height, width), strict=True)
    ]
    padded = np.pad(image, ((0, 0), *((total // 2, total - total // 2) for total in missing), (0, 0)))
    result = np.empty((1, rows, columns, len(weight)), np.float32)
    for y, x in np.ndindex(rows, columns):
        window = padded[0, y * stride : y * stride + kernel[0], x * stride : x * stride + kernel[1]]
        result[0, y, x] = (weight * window).sum(axis=(1, 2, 3)) + bias
    return result


# --- Writing a file ---------------------------------------------------------------------------------------------------


def tflite_file(size, weight, bias, depthwise, stride, last=tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
    """picture -> CONV_2D (weight sparse) with relu6 -> `last`, as the bytes of a .tflite."""
    builder = flatbuffers.Builder()
    operators, types = tflite.BuiltinOperator, tflite.TensorType
    codes = [operators.DENSIFY, operators.DEQUANTIZE, operators.CONV_2D, last]
    rows = weight.reshape(-1, weight.shape[-1])
    places = np.nonzero(rows)
    stored = [np.array([]), rows[places], bias, depthwise]
    between = [1, -(-size[1] // stride), -(-size[2] // stride), len(bias)]
    sparsity = _sparsity(builder, weight.shape, np.concatenate([[0], np.cumsum((rows != 0).sum(axis=1))]), places[1])
    float16, float32 = types.FLOAT16, types.FLOAT32
    tensors = [
        ("picture", size, float32, 0, None), ("sparse", weight.shape, float16, 1, sparsity),
        ("half", weight.shape, float16, 0, None), ("weight", weight.shape, float32, 0, None),
        ("bias", bias.shape, float16, 2, None), ("depthwise", depthwise.shape, float16, 3, None),
        ("between", between, float32, 0, None), ("result", between, float32, 0, None),
    ]  # fmt: skip
    convolution = _table(builder, "Conv2DOptions", Padding=0, StrideW=stride, StrideH=stride, FusedActivationFunction=3)
    each = _table(builder, "DepthwiseConv2DOptions", Padding=0, StrideW=1, StrideH=1)
    kinds = tflite.BuiltinOptions
    steps = [(0, [1], 2, 0, None), (1, [2], 3, 0, None), (2, [0, 3, 4], 6, kinds.Conv2DOptions, convolution),
             (3, [6, 5, 4], 7, kinds.DepthwiseConv2DOptions, each)]  # fmt: skip
    graph = _table(
        builder, "SubGraph",
        Tensors=_offsets(builder, [_tensor(builder, *tensor) for tensor in tensors]),
        Inputs=builder.CreateNumpyVector(np.int32([0])), Outputs=builder.CreateNumpyVector(np.int32([7])),
        Operators=_offsets(builder, [_operator(builder, *step) for step in steps]),
    )  # fmt: skip
    contents = [{"Data": _bytes(builder, values)} if values.size else {} for values in stored]
    model = _table(
        builder, "Model", Version=3, Subgraphs=_offsets(builder, [graph]),
        OperatorCodes=_offsets(builder, [_operator_code(builder, code) for code in codes]),
        Buffers=_offsets(builder, [_table(builder, "Buffer", **content) for content in contents]),
    )  # fmt: skip
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())


def _table(builder, name, **fields):
    """One table of the schema by the names of its fields."""
    getattr(tflite, f"{name}Start")(builder)
    for field, value in fields.items():
        getattr(tflite, f"{name}Add{field}")(builder, value)
    return getattr(tflite, f"{name}End")(builder)


def _offsets(builder, tables):
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def _bytes(builder, values):
    return builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))


def _operator_code(builder, code):
    return _table(builder, "OperatorCode", BuiltinCode=code, DeprecatedBuiltinCode=min(code, 127))


def _tensor(builder, name, shape, kind, buffer, sparsity):
    fields = {"Name": builder.CreateString(name), "Shape": builder.CreateNumpyVector(np.int32(shape))}
    fields |= {"Type": kind, "Buffer": buffer} | ({"Sparsity": sparsity} if sparsity else {})
    return _table(builder, "Tensor", **fields)


def _operator(builder, code, inputs, output, kind, options):
    fields = {name: builder.CreateNumpyVector(np.int32(values)) for name, values in
              (("Inputs", inputs), ("Outputs", [output]))}  # fmt: skip
    fields |= {"BuiltinOptionsType": kind, "BuiltinOptions": options} if options else {}
    return _table(builder, "Operator", OpcodeIndex=code, **fields)


def _sparsity(builder, shape, row_ends, places):
    vectors = [
        _table(builder, "Uint8Vector", Values=builder.CreateNumpyVector(np.uint8(places))),
        _table(builder, "Uint16Vector", Values=builder.CreateNumpyVector(np.uint16(row_ends))),
    ]
    dense = [_table(builder, "DimensionMetadata", Format=0, DenseSize=length) for length in shape[:-1]]
    kinds = tflite.SparseIndexVector
    last = _table(
        builder, "DimensionMetadata", Format=1, ArraySegmentsType=kinds.Uint16Vector, ArraySegments=vectors[1],
        ArrayIndicesType=kinds.Uint8Vector, ArrayIndices=vectors[0],
    )  # fmt: skip
    return _table(builder, "SparsityParameters", DimMetadata=_offsets(builder, [*dense, last]))
