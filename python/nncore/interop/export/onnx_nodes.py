"""Operations as nodes of an ONNX graph.

ONNX has channels first: an image is (N, C, H, W), a row (N, features).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import MissingExtraError
from nncore.extras import how_to_install
from nncore.interop.export.operations import (
    Activate,
    Add,
    Concatenate,
    Convolution,
    Flatten,
    FromBytes,
    GlobalAverage,
    Logarithm,
    Multiply,
    NearestDistribution,
    NormalizeChannels,
    Operation,
    Pool,
    Product,
    Scale,
    Value,
)
from nncore.layers import Shape

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

# What stands for an array of constants, or names a value.
Given = str | NDArray[Any] | float


def import_onnx() -> Any:
    """The package onnx; MissingExtraError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(
            f"writing ONNX files needs the package onnx, which cannot be imported ({error}): "
            f"{how_to_install('onnx', 'onnx')}"
        ) from error
    return onnx


class OnnxNodes:
    """Nodes and constants of a graph, made one operation after the other.

    Attributes
    ----------
    nodes : list of NodeProto
    constants : list of TensorProto
    """

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names: dict[Value, str] = {}
        self._layer = "images"
        # Flattened images that stay channels first: what takes them has its kernel in that order.
        self._channels_first: dict[Value, Shape] = {}

    def add_program(self, start: Value, name: str, operations: Sequence[Operation]) -> str:
        """Nodes for all operations, the first of which take the value `name`; the last one's name.

        `name` has channels first, but for operations from bytes, which take them last.
        """
        self._names[start] = name
        self._channels_first |= _only_for_products(operations)
        end = start
        for operation in operations:
            end, self._layer = operation.output, operation.layer
            self._names[end] = self._add(operation)
        return self._names[end]

    def node(self, operator: str, *inputs: Given, **attributes: object) -> str:
        """One node; the name of its output. Numbers become constants of float32, arrays of their
        own type."""
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        result = f"value{len(self.nodes)}"
        self._append(operator, names, [result], **attributes)
        return result

    def _append(
        self, operator: str, inputs: list[str], outputs: list[str], **attributes: object
    ) -> None:
        # For whoever looks at the graph: which layer it is, and a number, since names are unique.
        name = f"{self._layer}/{operator}_{len(self.nodes)}"
        made = self._onnx.helper.make_node(operator, inputs, outputs, name=name, **attributes)
        self.nodes.append(made)

    def _constant(self, value: NDArray[Any] | float) -> str:
        array = np.ascontiguousarray(
            value if isinstance(value, np.ndarray) else np.float32(value)
        ).reshape(np.shape(value))
        name = f"constant{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _input(self, operation: Operation) -> str:
        return self._names[operation.input]

    # -- a method per kind of operation

    @singledispatchmethod
    def _add(self, operation: Operation) -> str:
        raise NotImplementedError(type(operation).__name__)

    @_add.register
    def _from_bytes(self, operation: FromBytes) -> str:
        x = self.node("Cast", self._input(operation), to=self._onnx.TensorProto.FLOAT)
        x = self.node("Mul", x, operation.factors)
        if operation.offsets.any():
            x = self.node("Add", x, operation.offsets)
        if len(operation.output.shape) == 3:
            x = self.node("Transpose", x, perm=[0, 3, 1, 2])
        return x

    @_add.register
    def _convolution(self, operation: Convolution) -> str:
        bias = [] if operation.bias is None else [operation.bias]
        return self.node(
            "Conv",
            self._input(operation),
            operation.kernel.transpose(3, 2, 0, 1),
            *bias,
            kernel_shape=list(operation.kernel.shape[:2]),
            strides=list(operation.strides),
            dilations=list(operation.dilation),
            pads=_pads(operation),
            group=operation.groups,
        )

    @_add.register
    def _product(self, operation: Product) -> str:
        bias = [] if operation.bias is None else [operation.bias]
        kernel, image = operation.kernel, self._channels_first.get(operation.input)
        if image is not None:
            kernel = kernel.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        return self.node("Gemm", self._input(operation), kernel, *bias)

    @_add.register
    def _pool(self, operation: Pool) -> str:
        windows = {
            "kernel_shape": list(operation.window),
            "strides": list(operation.strides),
            "pads": _pads(operation),
        }
        x = self._input(operation)
        if operation.is_maximum:
            return self.node("MaxPool", x, **windows)
        counted = int(operation.counts_padding)
        return self.node("AveragePool", x, count_include_pad=counted, **windows)

    @_add.register
    def _global_average(self, operation: GlobalAverage) -> str:
        return self.node("Flatten", self.node("GlobalAveragePool", self._input(operation)), axis=1)

    @_add.register
    def _scale(self, operation: Scale) -> str:
        x = self._input(operation)
        factors, offsets = (
            _per_channel(values.astype(np.float32), operation.output)
            for values in (operation.factors, operation.offsets)
        )
        x = self.node("Mul", x, factors)
        return self.node("Add", x, offsets) if offsets.any() else x

    @_add.register
    def _normalize_channels(self, operation: NormalizeChannels) -> str:
        x = self._input(operation)
        x = self.node("Sub", x, self.node("ReduceMean", x, axes=[1], keepdims=1))
        variance = self.node("ReduceMean", self.node("Mul", x, x), axes=[1], keepdims=1)
        deviation = self.node("Sqrt", self.node("Add", variance, operation.epsilon))
        gamma, beta = (
            _per_channel(values, operation.output) for values in (operation.gamma, operation.beta)
        )
        return self.node("Add", self.node("Mul", self.node("Div", x, deviation), gamma), beta)

    @_add.register
    def _activate(self, operation: Activate) -> str:
        return _ACTIVATIONS[operation.activation](self, self._input(operation))

    @_add.register
    def _flatten(self, operation: Flatten) -> str:
        x = self._input(operation)
        if operation.output not in self._channels_first:
            x = self.node("Transpose", x, perm=[0, 2, 3, 1])
        return self.node("Flatten", x, axis=1)

    @_add.register
    def _sum(self, operation: Add) -> str:
        return self._chain("Add", [self._names[value] for value in operation.inputs])

    @_add.register
    def _multiply(self, operation: Multiply) -> str:
        is_image = len(operation.output.shape) == 3
        names = [
            self.node("Unsqueeze", self._names[value], np.array([2, 3]))
            if is_image and len(value.shape) == 1
            else self._names[value]
            for value in operation.inputs
        ]
        return self._chain("Mul", names)

    def _chain(self, operator: str, names: Sequence[str]) -> str:
        first, *others = names
        for other in others:
            first = self.node(operator, first, other)
        return first

    @_add.register
    def _concatenate(self, operation: Concatenate) -> str:
        return self.node("Concat", *(self._names[value] for value in operation.inputs), axis=1)

    @_add.register
    def _logarithm(self, operation: Logarithm) -> str:
        smallest = float(np.finfo(np.float32).tiny)
        return self.node("Log", self.node("Max", self._input(operation), smallest))

    @_add.register
    def _nearest_distribution(self, operation: NearestDistribution) -> str:
        """Duchi et al. (2008), figure 1, as `nncore.training.answers.probabilities` has it."""
        (classes,) = operation.output.shape
        x = self._input(operation)
        x = self.node("Sub", x, self.node("ReduceMax", x, axes=[1], keepdims=1))
        descending = f"sorted{len(self.nodes)}"
        given = [x, self._constant(np.array([classes]))]
        self._append("TopK", given, [descending, f"{descending}_places"], axis=1)
        total = self.node("CumSum", descending, np.array(1))
        excess = self.node("Sub", total, 1.0)
        counts = np.arange(1, classes + 1, dtype=np.float32)
        # Rises as long as the next number is above it, then falls: its largest value is the one.
        thresholds = self.node("Div", excess, counts)
        threshold = self.node("ReduceMax", thresholds, axes=[1], keepdims=1)
        return self.node("Relu", self.node("Sub", x, threshold))


Curve = Callable[[OnnxNodes, str], str]


def _simple(operator: str, **attributes: float) -> Curve:
    return lambda nodes, x: nodes.node(operator, x, **attributes)


def _gelu(nodes: OnnxNodes, x: str) -> str:
    erf = nodes.node("Erf", nodes.node("Mul", x, float(np.sqrt(0.5))))
    return nodes.node("Mul", nodes.node("Mul", x, 0.5), nodes.node("Add", erf, 1.0))


def _hard_sigmoid(nodes: OnnxNodes, x: str) -> str:
    return nodes.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


_ACTIVATIONS: Mapping[str, Curve] = {
    "relu": _simple("Relu"),
    "relu6": lambda nodes, x: nodes.node("Clip", x, 0.0, 6.0),
    "leaky_relu": _simple("LeakyRelu", alpha=0.2),
    "gelu": _gelu,
    "silu": lambda nodes, x: nodes.node("Mul", x, nodes.node("Sigmoid", x)),
    "hard_swish": lambda nodes, x: nodes.node("Mul", x, _hard_sigmoid(nodes, x)),
    "hard_sigmoid": _hard_sigmoid,
    "sigmoid": _simple("Sigmoid"),
    "tanh": _simple("Tanh"),
    "softmax": _simple("Softmax", axis=1),
}


def _only_for_products(operations: Sequence[Operation]) -> dict[Value, Shape]:
    """Flattened images, which nothing but products take, and their shapes: these need not be put
    into another order each time."""
    found = {one.output: one.input.shape for one in operations if isinstance(one, Flatten)}
    for operation in operations:
        if not isinstance(operation, Product):
            for value in operation.inputs:
                found.pop(value, None)
    return found


def _pads(operation: Convolution | Pool) -> list[int]:
    (top, bottom), (left, right) = operation.pads
    return [top, left, bottom, right]


def _per_channel(values: NDArray[np.float32], value: Value) -> NDArray[np.float32]:
    """(C,) for a row, (C, 1, 1) for an image."""
    return values[:, np.newaxis, np.newaxis] if len(value.shape) == 3 else values
