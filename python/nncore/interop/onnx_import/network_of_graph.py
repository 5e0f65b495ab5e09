"""A whole graph, node by node, as layers of nncore with their numbers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.interop.onnx_import.blocks import parts_of
from nncore.interop.onnx_import.curves import BINARY, UNARY
from nncore.interop.onnx_import.folding import folded
from nncore.interop.onnx_import.graph import Graph, Node, Tensor, read_graph
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.operations import elementwise, joins, kernels, shapes, windows
from nncore.interop.onnx_import.steps import NCHW, NHWC, Part, Unavailable, Value
from nncore.layers import Shape

Operation = Callable[[Network, Node], Value | NDArray[Any]]

OPERATIONS: Mapping[str, Operation] = {
    **dict.fromkeys(UNARY, elementwise.unary),
    **dict.fromkeys(("LeakyRelu", "HardSigmoid", "Elu", "Selu", "Celu"), elementwise.unary),
    **dict.fromkeys((*BINARY, "Sum"), elementwise.binary),
    "AveragePool": windows.pool,
    "BatchNormalization": kernels.batch_normalization,
    "Cast": shapes.cast,
    "Clip": elementwise.clip,
    "Concat": joins.concat,
    "Conv": kernels.conv,
    "Dropout": shapes.dropout,
    "Flatten": shapes.flatten,
    "Gelu": elementwise.gelu,
    "Gemm": kernels.gemm,
    "GlobalAveragePool": windows.global_average_pool,
    "GlobalMaxPool": windows.global_max_pool,
    "Identity": shapes.identity,
    "LayerNormalization": kernels.layer_normalization,
    "MatMul": kernels.matmul,
    "MaxPool": windows.pool,
    "PRelu": elementwise.prelu,
    "Pad": windows.pad,
    "ReduceMean": windows.reduce_mean,
    "Reshape": shapes.reshape,
    "Shape": shapes.shape_of,
    "Softmax": shapes.softmax,
    "Squeeze": shapes.squeeze,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
}
_SIDE = 224  # where the network takes any size


@dataclass(frozen=True)
class Imported:
    """What a file holds, in nncore's terms.

    Attributes
    ----------
    parts
        The layers with their parameters.
    input_shape, layout
        (H, W, C) or (features,); "NCHW" or "NHWC", of the file's input.
    input
        The file's input.
    output
        Name of the tensor that the last layer gives.
    batch
        How many images the file takes at once; None: any number.
    result
        What the file's tensor is to the last layer's rows.
    """

    parts: tuple[Part, ...]
    input_shape: Shape
    layout: str
    input: Tensor
    output: str
    batch: int | None
    result: Value
    graph: Graph


def import_network(
    path: Path, model: bytes, output: str | None = None, size: tuple[int, int] | None = None
) -> Imported:
    """The network in the file at `path`, whose content is `model`.

    Parameters
    ----------
    output
        The tensor to end with; by default the last output.
    size
        (height, width) where the file leaves them open; by default 224.

    Raises
    ------
    ModelFileError
        The file is broken, or holds something that nncore has no layers for.
    ValueError
        `output` or `size` contradict the file.
    """
    graph = read_graph(path, model)
    try:
        return _imported(graph, path, output, size)
    except Unavailable as error:
        raise ModelFileError(
            f"{path}: {error}; as frozen features, through ONNX Runtime, nncore can still use the "
            "file (nn.Features, --features)"
        ) from None


def _imported(
    graph: Graph, path: Path, output: str | None, size: tuple[int, int] | None
) -> Imported:
    if len(graph.inputs) != 1:
        names = ", ".join(one.name for one in graph.inputs)
        raise Unavailable(f"takes {len(graph.inputs)} inputs ({names}), and nncore one image")
    if output is None:
        if not graph.outputs:
            raise Unavailable("has no output")
        output = graph.outputs[-1]
        if not any(output in node.outputs for node in graph.nodes):
            raise Unavailable(f"nothing gives its output {output!r}")
    nodes = _needed(graph, output, path)
    (given,) = graph.inputs
    first, layout = _input(path, given, nodes, size)
    batch = given.shape[0]
    net = Network(first, given.name, graph.constants, batch or 1, graph.opset)
    for node in nodes:
        _add(net, node)
    result = net.values.get(output)
    if result is None:
        raise Unavailable(f"its output {output!r} does not depend on its input")
    parts = parts_of(net.steps, result.step)
    return Imported(parts, first.shape, layout, given, output, batch, result, graph)


def _add(net: Network, node: Node) -> None:
    """What the node computes, as steps or as a constant."""
    unknown = [one for one in node.inputs if one and one not in net.values | net.constants]
    if unknown:
        raise Unavailable(f"{node}: takes {unknown[0]!r}, which nothing gives")
    found: Value | NDArray[Any] | None
    if not any(one in net.values for one in node.inputs):
        given = [net.constants[one] if one else None for one in node.inputs]
        try:
            with np.errstate(all="ignore"):
                found = folded(node, given)
        except (ValueError, IndexError, TypeError, KeyError, ArithmeticError) as error:
            raise Unavailable(f"{node}: its constants do not suit it: {error}") from None
    elif node.op in OPERATIONS:
        try:
            found = OPERATIONS[node.op](net, node)
        except (ValueError, IndexError, TypeError, ArithmeticError) as error:
            raise Unavailable(f"{node}: its inputs do not suit it: {error}") from None
    else:
        found = None
    if found is None or not node.outputs:
        raise Unavailable(f"{node}: nncore has no layer for it")
    if isinstance(found, Value):
        net.values[node.outputs[0]] = found
    else:
        net.constants[node.outputs[0]] = found


def _needed(graph: Graph, output: str, path: Path) -> list[Node]:
    """The nodes that `output` depends on, in order."""
    maker = {name: node for node in graph.nodes for name in node.outputs if name}
    if output not in maker:
        close = difflib.get_close_matches(output, maker, 3) or list(maker)[-3:]
        raise ValueError(
            f"output is {output!r}, but {path} has no such tensor; its outputs: "
            f"{', '.join(graph.outputs)}; inner ones: {', '.join(close)}"
        )
    wanted, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += maker[name].inputs if name in maker else ()
    return [node for node in graph.nodes if wanted & {*node.outputs} - {""}]


def _input(
    path: Path, given: Tensor, nodes: list[Node], size: tuple[int, int] | None
) -> tuple[Value, str]:
    """The first value, and the layout."""
    if given.dtype is None or given.dtype.kind not in "fu":
        raise Unavailable(f"its input {given.name!r} is {given.dtype} and no image of numbers")
    shape = given.shape
    if len(shape) == 2 and shape[1] is not None:
        return Value(0, (shape[1],), ("N", "C")), "NCHW"
    if len(shape) != 4:
        raise Unavailable(f"its input {given.name!r} has the shape {shape} and is no image")
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    nhwc = last and not first
    if first == last:
        nhwc = any(
            node.op == "Transpose"
            and given.name in node.inputs
            and tuple(node.attributes.get("perm", ())) == (0, 3, 1, 2)
            for node in nodes
        )
    axes = NHWC if nhwc else NCHW
    lengths = dict(zip(axes, shape, strict=True))
    fixed = (lengths["H"], lengths["W"])
    if size is not None and any(
        known not in (None, want) for known, want in zip(fixed, size, strict=True)
    ):
        shown = "x".join("any" if side is None else str(side) for side in fixed)
        raise ValueError(f"size is {size[0]}x{size[1]}, but {path} takes {shown}")
    height, width = size or (fixed[0] or _SIDE, fixed[1] or _SIDE)
    channels = lengths["C"] or 3
    return Value(0, (height, width, channels), axes), "".join(axes)
