"""Graphs of operations as TensorFlow Lite has them, and its file format, on small ones made up here."""

import struct

import numpy as np
import pytest
import torch

from cfld_modules.checkpoints.flatbuffer import Table
from cfld_modules.checkpoints.tflite_file import TFLiteFile
from cfld_modules.poses.detection.graph import Graph, GraphLayout, Network, Operation
from cfld_modules.poses.detection.graph_check import check_network
from tests.tflite_writer import BUILTIN, Step, Tensor, tflite_content

RANDOM = np.random.default_rng(0)


def run(kind: str, *tensors: np.ndarray, **options: object) -> np.ndarray:
    """One operation alone: its result."""
    operation = Operation(kind, [0] * len(tensors), 1, options)
    network = Network(GraphLayout(0, {"result": 1}, [operation]), {})
    result = Graph(network)(torch.from_numpy(tensors[0]))["result"].numpy()
    check_network(network, tensors[0].shape, {"result": result.shape})
    return result


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
    np.testing.assert_array_equal(run("RESHAPE", tensor, shape=[48, 4]), tensor.reshape(2, 48, 4))
    np.testing.assert_allclose(run("LOGISTIC", tensor), 1 / (1 + np.exp(-tensor)), rtol=1e-5)
    np.testing.assert_array_equal(run("ADD", tensor, tensor), 2 * tensor)
    np.testing.assert_array_equal(run("CONCATENATION", tensor, tensor, axis=1)[:, 4:], tensor)
    # Half-pixel centres: the first of two new pixels lies a quarter before the old one's middle, the second after it.
    doubled = run("RESIZE_BILINEAR", tensor, size=[8, 12])
    np.testing.assert_allclose(doubled[:, 1, 0], 0.75 * tensor[:, 0, 0] + 0.25 * tensor[:, 1, 0], atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 7, 6, 3), (1, 8, 9, 3)])
def test_file_with_sparse_half_precision_weights_gives_what_it_describes(size, stride):
    """SAME padding (an odd one goes behind), relu6 and depthwise weights."""
    image, weight, bias = picture(*size), (picture(4, 3, 3, 3) * 3).astype(np.float16), picture(4).astype(np.float16)
    weight[RANDOM.random(weight.shape) < 0.6] = 0
    depthwise = picture(1, 2, 2, 4).astype(np.float16)
    network = read(two_convolutions(size, weight, bias, depthwise, stride))
    expected = np.clip(convolve_same(image, weight.astype(np.float32), bias, stride), 0, 6)
    assert (expected == 6).any() and (expected == 0).any()
    every_channel = np.zeros((4, 2, 2, 4), np.float32)
    every_channel[range(4), :, :, range(4)] = depthwise[0].transpose(2, 0, 1)
    expected = convolve_same(expected, every_channel, bias, 1)
    for one in (network.prepared(), Network(network.layout, {n: w.float() for n, w in network.weights.items()})):
        np.testing.assert_allclose(Graph(one)(torch.from_numpy(image))["result"].numpy(), expected, atol=1e-3)
    check_network(network, size, {"result": expected.shape})
    with pytest.raises(ValueError, match="it gives"):
        check_network(network, size, {"result": (1, 9, 9, 4)})


def test_padding_before_a_convolution_becomes_its_own_unless_others_see_it():
    bias = torch.randn(2)
    for padding, is_folded in (([0, 0, 1, 2, 0, 1], True), ([0, 1, 1, 1], False), ([0, 0, 1, 1], False)):
        channels = 3 + sum(padding[:2])
        operations = [
            Operation("PAD", [0], 3, {"padding": padding}),
            Operation("CONV_2D", [3, 1, 2], 4, {"stride": 2, "padding": [1, 0, 0, 0], "groups": 1}),
        ]
        weights = {1: torch.randn(2, channels, 3, 3), 2: bias}
        for outputs in ({"result": 4}, {"result": 4, "padded": 3}):
            network = Network(GraphLayout(0, outputs, operations), weights)
            prepared, image = network.prepared(), torch.randn(1, 8, 9, 3)
            assert len(prepared.layout.steps_to(["result"])) == (1 if is_folded and len(outputs) == 1 else 2)
            for name, result in Graph(prepared)(image).items():
                assert torch.equal(result, Graph(network)(image)[name])


def test_a_result_that_is_not_asked_for_is_not_computed():
    operations = [Operation("LOGISTIC", [0], 1), Operation("LOGISTIC", [1], 2), Operation("LOGISTIC", [0], 3)]
    layout = GraphLayout(0, {"first": 1, "second": 2, "third": 3}, operations)
    assert [step.output for step, _ in layout.steps_to(["first"])] == [1]
    assert [(step.output, last) for step, last in layout.steps_to(["second"])] == [(1, [0]), (2, [1])]
    assert Graph(Network(layout, {}))(torch.zeros(1), "first", "third").keys() == {"first", "third"}


def test_an_operation_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="operation 111 of TensorFlow Lite's, which is not read here"):
        read(two_convolutions((1, 4, 4, 3), last=BUILTIN.ELU))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"StrideW": 2}, "uneven strides"), ({"StrideW": 0, "StrideH": 0}, "uneven strides"),
        ({"DilationHFactor": 2}, "dilated"), ({"FusedActivationFunction": 1}, "activation 1"),
        ({"Padding": 7}, "padding 7"),
    ],
)  # fmt: skip
def test_a_convolution_of_another_kind_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        read(two_convolutions((1, 4, 4, 3), **change))


@pytest.mark.parametrize(
    ("kind", "inputs", "options"),
    [
        ("CONV_2D", [0, 1, 2], {"stride": 0, "padding": [0] * 4, "groups": 1}),
        ("CONV_2D", [0, 1, 2], {"stride": 1.0, "padding": [0] * 4, "groups": 1}),
        ("CONV_2D", [0, 1, 2], {"stride": 1, "padding": [0, 0, 0, -1], "groups": 1}),
        ("CONV_2D", [0, 1, 2], {"stride": 1, "padding": [10**5] * 4, "groups": 1}),
        ("CONV_2D", [0, 1, 2], {"stride": 1, "padding": [0] * 4, "groups": 3}),
        ("CONV_2D", [0, 1, 1], {"stride": 1, "padding": [0] * 4, "groups": 1}),
        ("CONV_2D", [0, 1, 9], {"stride": 1, "padding": [0] * 4, "groups": 1}),
        ("ADD", [0, 2], {}), ("ADD", [0], {}), ("CONCATENATION", [0, 1], {"axis": 1}), ("LOGISTIC", [0], {"x": 1}),
        ("CONCATENATION", [0, 0], {"axis": 4}), ("RESHAPE", [0], {"shape": [-1, 3]}), ("RESHAPE", [0], {"shape": [5]}),
        ("DEPTH_TO_SPACE", [0], {"block": 2}), ("MAX_POOL_2D", [0], {"size": 9}), ("MAX_POOL_2D", [0], {"size": 0}),
        ("PAD", [0], {"padding": [0, 1, 2]}), ("PAD", [0], {"padding": [0, -1]}), ("PAD", [0], {"padding": [0] * 10}),
        ("RESIZE_BILINEAR", [0], {"size": [2]}), ("RESIZE_BILINEAR", [0], {"size": [10**5, 10**5]}), ("X", [0], {}),
    ],
)  # fmt: skip
def test_a_graph_that_would_not_run_or_takes_too_much_is_refused(kind, inputs, options):
    weights = {1: torch.zeros(2, 3, 3, 3), 2: torch.zeros(2)}
    network = Network(GraphLayout(0, {"result": 3}, [Operation(kind, inputs, 3, options)]), weights)
    with pytest.raises((ValueError, KeyError, TypeError, IndexError, ZeroDivisionError, RuntimeError)):
        check_network(network, (1, 8, 8, 3), {})


def test_relu6_of_a_result_that_may_be_its_input_is_refused():
    layout = GraphLayout(0, {"result": 1}, [Operation("RESHAPE", [0], 1, {"shape": [4]}, relu6=True)])
    with pytest.raises(ValueError, match="RESHAPE with relu6"):
        check_network(Network(layout, {}), (1, 4), {})


def test_every_cut_and_every_changed_byte_is_read_or_refused():
    content = two_convolutions((1, 4, 4, 3))
    cuts = [content[:end] for end in range(0, len(content), 3)]
    bytes_ = [content[:n] + bytes([content[n] ^ 255]) + content[n + 1 :] for n in range(len(content))]
    outcomes = set()
    for damaged in (*cuts, *bytes_):
        try:
            outcomes.add(len(read(damaged).weights))
        except (ValueError, LookupError) as error:
            outcomes.add(type(error))
    assert outcomes >= {3, ValueError}


def test_a_table_knows_defaults_and_is_read_within_the_file():
    content = struct.pack("<IHHHHi", 12, 8, 8, 0, 4, 0)[:12] + struct.pack("<iI", 8, 2**31)
    table = Table.root(content)
    assert table.number(0, default=7) == 7 and table.number(9, default=3) == 3 and table.number(1) == -(2**31)
    for read_vector in (lambda: table.array(1, "u1"), lambda: table.tables(1), lambda: table.table(1).number(0)):
        with pytest.raises(ValueError, match="ends before"):
            read_vector()


def read(content: bytes) -> Network:
    graph = TFLiteFile(content)
    return graph.network({"result": graph.outputs[0]})


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


def two_convolutions(size, weight=None, bias=None, depthwise=None, stride=1, last=BUILTIN.DEPTHWISE_CONV_2D, **change):
    """picture -> CONV_2D (weight sparse, half precision) with relu6 -> `last`; `change` of the first one's options."""
    weight = picture(4, 3, 3, 3).astype(np.float16) if weight is None else weight
    bias = picture(4).astype(np.float16) if bias is None else bias
    depthwise = picture(1, 2, 2, 4).astype(np.float16) if depthwise is None else depthwise
    between = [1, -(-size[1] // stride), -(-size[2] // stride), len(bias)]
    tensors = [
        Tensor("picture", size), Tensor("sparse", weight.shape, weight, is_sparse=True),
        Tensor("half", weight.shape, dtype=np.float16), Tensor("weight", weight.shape),
        Tensor("bias", bias.shape, bias), Tensor("depthwise", depthwise.shape, depthwise),
        Tensor("between", between), Tensor("result", between),
    ]  # fmt: skip
    first = {"Padding": 0, "StrideW": stride, "StrideH": stride, "FusedActivationFunction": 3} | change
    steps = [
        Step(BUILTIN.DENSIFY, [1], 2), Step(BUILTIN.DEQUANTIZE, [2], 3),
        Step(BUILTIN.CONV_2D, [0, 3, 4], 6, "Conv2DOptions", first),
        Step(last, [6, 5, 4], 7, "DepthwiseConv2DOptions", {"Padding": 0, "StrideW": 1, "StrideH": 1}),
    ]  # fmt: skip
    return tflite_content(tensors, steps, [0], [7])
