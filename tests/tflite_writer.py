"""Writes .tflite files by the packages `flatbuffers` and `tflite`, TensorFlow's own schema in Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

BUILTIN = tflite.BuiltinOperator
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2}


@dataclass(frozen=True)
class Tensor:
    """One of a graph.

    values: what is stored; None for what is computed.
    dtype: of computed ones.
    is_sparse: along the last axis, as MediaPipe's networks are.
    """

    name: str
    shape: Sequence[int]
    values: np.ndarray | None = None
    dtype: type = np.float32
    is_sparse: bool = False


@dataclass(frozen=True)
class Step:
    """One operation of a graph.

    options: the fields of its options by their names in the schema; table: theirs, e.g. Conv2DOptions.
    """

    code: int
    inputs: Sequence[int]
    output: int
    table: str = ""
    options: dict = field(default_factory=dict)


def tflite_content(
    tensors: Sequence[Tensor], steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    builder = flatbuffers.Builder()
    codes = sorted({step.code for step in steps})
    contents = [b""] + [_stored(tensor) for tensor in tensors if tensor.values is not None]
    numbers = iter(range(1, len(contents)))
    places = [0 if tensor.values is None else next(numbers) for tensor in tensors]
    graph = _table(
        builder, "SubGraph",
        Tensors=_offsets(builder, [_tensor(builder, *one) for one in zip(tensors, places, strict=True)]),
        Inputs=_vector(builder, np.int32(inputs)), Outputs=_vector(builder, np.int32(outputs)),
        Operators=_offsets(builder, [_operator(builder, codes.index(step.code), step) for step in steps]),
    )  # fmt: skip
    buffers = [_table(builder, "Buffer", **_only(Data=content and _vector(builder, content))) for content in contents]
    model = _table(
        builder, "Model", Version=3, Subgraphs=_offsets(builder, [graph]),
        OperatorCodes=_offsets(builder, [_code(builder, code) for code in codes]), Buffers=_offsets(builder, buffers),
    )  # fmt: skip
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())


def _table(builder, name, **fields):
    """One table of the schema by the names of its fields."""
    getattr(tflite, f"{name}Start")(builder)
    for name_of_field, value in fields.items():
        getattr(tflite, f"{name}Add{name_of_field}")(builder, value)
    return getattr(tflite, f"{name}End")(builder)


def _only(**fields):
    return {name: value for name, value in fields.items() if value}


def _vector(builder, values):
    return builder.CreateNumpyVector(np.frombuffer(values, np.uint8) if isinstance(values, bytes) else values)


def _offsets(builder, tables):
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def _code(builder, code):
    return _table(builder, "OperatorCode", BuiltinCode=code, DeprecatedBuiltinCode=min(code, 127))


def _stored(tensor):
    return tensor.values[tensor.values != 0].tobytes() if tensor.is_sparse else tensor.values.tobytes()


def _tensor(builder, tensor, buffer):
    name, shape = builder.CreateString(tensor.name), _vector(builder, np.int32(tensor.shape))
    kind = TYPES[np.dtype(tensor.dtype) if tensor.values is None else tensor.values.dtype]
    sparsity = tensor.is_sparse and _sparsity(builder, tensor.values.reshape(-1, tensor.shape[-1]), tensor.shape)
    return _table(builder, "Tensor", Name=name, Shape=shape, Type=kind, Buffer=buffer, **_only(Sparsity=sparsity))


def _operator(builder, code, step):
    inputs, outputs = (_vector(builder, np.int32(numbers)) for numbers in (step.inputs, [step.output]))
    options = step.table and _table(builder, step.table, **step.options)
    kind = step.table and getattr(tflite.BuiltinOptions, step.table)
    return _table(
        builder, "Operator", OpcodeIndex=code, Inputs=inputs, Outputs=outputs,
        **_only(BuiltinOptionsType=kind, BuiltinOptions=options),
    )  # fmt: skip


def _sparsity(builder, rows, shape):
    row_ends = np.concatenate([[0], np.cumsum((rows != 0).sum(axis=1))])
    places, ends = (
        _table(builder, f"{name}Vector", Values=_vector(builder, values))
        for name, values in (("Uint8", np.uint8(np.nonzero(rows)[1])), ("Uint16", np.uint16(row_ends)))
    )
    kinds = tflite.SparseIndexVector
    dense = [_table(builder, "DimensionMetadata", Format=0, DenseSize=length) for length in shape[:-1]]
    last = _table(
        builder, "DimensionMetadata", Format=1, ArraySegmentsType=kinds.Uint16Vector, ArraySegments=ends,
        ArrayIndicesType=kinds.Uint8Vector, ArrayIndices=places,
    )  # fmt: skip
    return _table(builder, "SparsityParameters", DimMetadata=_offsets(builder, [*dense, last]))
