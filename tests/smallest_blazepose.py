"""Networks that give what BlazePose's give, in shape, and see nothing: as a .safetensors and as a bundle."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping

import torch
from safetensors.torch import save

from cfld_modules.poses.detection.blazepose import PICTURES, RESULTS
from cfld_modules.poses.detection.graph import GraphLayout, Network, Operation

# Of each result the stride of a convolution with one pixel, and its channels.
CONVOLUTIONS = {
    "detector": {"Identity": (32, 552), "Identity_1": (32, 46)},
    "landmarks": {"Identity": (256, 195), "Identity_1": (256, 1), "Identity_2": (1, 1), "Identity_4": (256, 117)},
}


def smallest_blazepose() -> dict[str, Network]:
    networks = {}
    for network, convolutions in CONVOLUTIONS.items():
        weights, operations, outputs = {}, [], {}
        for place, (name, (stride, channels)) in enumerate(convolutions.items()):
            weight, bias, convolved, output = range(4 * place + 1, 4 * place + 5)
            weights |= {weight: torch.zeros(channels, 3, 1, 1), bias: torch.zeros(channels)}
            options = {"stride": stride, "padding": [0] * 4, "groups": 1}
            operations += [
                Operation("CONV_2D", [0, weight, bias], convolved, options),
                Operation("RESHAPE", [convolved], output, {"shape": list(RESULTS[network][name][1:])}),
            ]
            outputs[name] = output
        networks[network] = Network(GraphLayout(0, outputs, operations), weights)
    return networks


def safetensors_content(networks: Mapping[str, Network]) -> bytes:
    """As `get blazepose` writes them."""
    weights = {f"{name}.{number}": weight for name, one in networks.items() for number, weight in one.weights.items()}
    return save(weights, {name: json.dumps(dataclasses.asdict(one.layout)) for name, one in networks.items()})


def bundle_content(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file, which a .task bundle and a wheel are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def smallest_tflite(network: str) -> bytes:
    """One of the two networks as TensorFlow Lite has it."""
    from tests.tflite_writer import BUILTIN, Step, Tensor, tflite_content

    written = smallest_blazepose()[network]
    results = {number: name for name, number in written.layout.outputs.items()}
    tensors, steps = {0: Tensor("input_1", PICTURES[network])}, []
    for operation in written.layout.operations:
        if operation.kind == "CONV_2D":
            _, weight, bias = operation.inputs
            stride, size = operation.options["stride"], PICTURES[network][1]
            arrays = (written.weights[weight].permute(0, 2, 3, 1).half().numpy(), written.weights[bias].half().numpy())
            tensors |= {n: Tensor("", a.shape, a) for n, a in zip((weight, bias), arrays, strict=True)}
            shape = (1, size // stride, size // stride, len(arrays[1]))
            tensors[operation.output] = Tensor("", shape)
            options = {"Padding": 1, "StrideW": stride, "StrideH": stride}
            steps.append(Step(BUILTIN.CONV_2D, operation.inputs, operation.output, "Conv2DOptions", options))
        else:
            name = results[operation.output]
            tensors[operation.output] = Tensor(name, RESULTS[network][name])
            steps.append(Step(BUILTIN.RESHAPE, operation.inputs, operation.output))
    return tflite_content([tensors[number] for number in sorted(tensors)], steps, [0], list(results))


def smallest_bundle() -> bytes:
    """As MediaPipe's `pose_landmarker_*.task` has them, under other names."""
    names = {"detector": "pose_detector.tflite", "landmarks": "pose_landmarks_detector.tflite"}
    return bundle_content({file: smallest_tflite(name) for name, file in names.items()})
