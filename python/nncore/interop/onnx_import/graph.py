"""An ONNX file as a graph of operations.

ModelProto.producer_name 2, .graph 7, .opset_import 8   OperatorSetIdProto.domain 1, .version 2
GraphProto.node 1, .initializer 5, .input 11, .output 12, .sparse_initializer 15
NodeProto.input 1, .output 2, .name 3, .op_type 4, .attribute 5, .domain 7
AttributeProto.name 1, .f 2, .i 3, .s 4, .t 5, .floats 7, .ints 8, .type 20
ValueInfoProto.name 1, .type 2  TypeProto.tensor_type 1 {elem_type 1, shape 2 {dim 1}}
Dimension.dim_value 1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.interop.onnx_import.tensors import DTYPES, read_tensor
from nncore.interop.protocol_buffers import (
    Message,
    floats,
    integer,
    integers,
    messages,
    text,
    texts,
)

_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 6, 7
# The standard operations, by their two names.
_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Node:
    """One operation; `inputs` and `outputs` are names of tensors, "" for one that is left out."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op} {self.name!r}"


@dataclass(frozen=True)
class Tensor:
    """An input of the graph; axes of any length are None."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """What a file computes: `nodes` in an order in which they can be computed."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    opset: int
    producer: str


def read_graph(path: Path, model: bytes) -> Graph:
    """The graph of the file at `path`, whose content is `model`.

    Raises
    ------
    ModelFileError
        It is no whole ONNX file, or keeps weights where it may not; the message names the file.
    """
    try:
        return _graph(model, path)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except (ValueError, IndexError, ArithmeticError, MemoryError) as error:
        raise ModelFileError(
            f"{path}: no whole ONNX file; it may be truncated or of another kind ({error})"
        ) from error


def _graph(model: bytes, path: Path) -> Graph:
    graphs = messages(model, 7)
    if not graphs:
        raise ModelFileError("no whole ONNX file; it may be truncated or of another kind")
    graph: Message = graphs[0] if len(graphs) == 1 else b"".join(graphs)
    if messages(graph, 15):
        raise ModelFileError("has sparse weights, which nncore does not read")
    constants = dict(read_tensor(tensor, path) for tensor in messages(graph, 5))
    versions = {text(one, 1): integer(one, 2) for one in messages(model, 8)}
    inputs = [_tensor(one) for one in messages(graph, 11)]
    return Graph(
        tuple(_node(one, path) for one in messages(graph, 1)),
        constants,
        # Old files list their weights as inputs, too.
        tuple(one for one in inputs if one.name not in constants),
        tuple(text(one, 1) for one in messages(graph, 12)),
        max([versions.get(domain, 0) for domain in _STANDARD]),
        text(model, 2),
    )


def _node(message: Message, path: Path) -> Node:
    op, domain = text(message, 4), text(message, 7)
    outputs = tuple(texts(message, 2))
    return Node(
        op if domain in _STANDARD else f"{domain}.{op}",
        text(message, 3) or next(iter(outputs), ""),
        tuple(texts(message, 1)),
        outputs,
        {text(one, 1): _attribute(one, path) for one in messages(message, 5)},
    )


def _attribute(message: Message, path: Path) -> Any:
    kind = integer(message, 20)
    if kind == _FLOAT:
        return floats(message, 2)[-1]
    if kind == _INT:
        return integer(message, 3)
    if kind == _STRING:
        return text(message, 4)
    if kind == _TENSOR:
        return read_tensor(messages(message, 5)[-1], path)[1]
    if kind == _FLOATS:
        return tuple(floats(message, 7))
    if kind == _INTS:
        return tuple(integers(message, 8))
    return None  # a graph and the like, which only operations have that nncore does not


def _tensor(message: Message) -> Tensor:
    kinds = messages(message, 2)
    tensors = messages(kinds[-1], 1) if kinds else []
    if not tensors:
        return Tensor(text(message, 1), None, ())
    shapes = messages(tensors[-1], 2)
    axes = messages(shapes[-1], 1) if shapes else []
    lengths = [integer(axis, 1) for axis in axes]
    return Tensor(
        text(message, 1),
        DTYPES.get(integer(tensors[-1], 1)),
        tuple(length if length > 0 else None for length in lengths),
    )
