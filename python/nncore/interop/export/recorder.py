"""Takes layers as the engine's `Builder` does, and writes down what they compute when they predict.

Layers append themselves to a builder (`Layer.append_to`). This one has the same methods, so that
every kind of layer can be exported, those included that others define.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.interop.export.operations import (
    Activate,
    Add,
    Concatenate,
    Convolution,
    Flatten,
    GlobalAverage,
    Multiply,
    NormalizeChannels,
    Operation,
    Pool,
    Product,
    Scale,
    Value,
)
from nncore.layers import Shape
from nncore.layers.windows import Pair, Sides, count_windows

F32 = NDArray[np.float32]
O = TypeVar("O", bound=Operation)  # noqa: E741
_JOINS = {"add": Add, "multiply": Multiply, "concatenate": Concatenate}


@dataclass
class _OpenBlock:
    """A block whose branches are being added."""

    name: str
    join: type[Operation]
    start: Value
    ends: list[Value] = field(default_factory=list)


class Recorder:
    """A builder that remembers operations.

    Parameters
    ----------
    start
        The value that the first layer takes.
    weights
        Parameters by their full names.

    Attributes
    ----------
    operations : list of Operation
        In an order in which they can be computed.
    value : Value
        What the layers so far give.
    """

    def __init__(self, start: Value, weights: Mapping[str, F32]) -> None:
        self.operations: list[Operation] = []
        self.value = start
        self.trainable = True  # layers set it; prediction does not ask
        self._weights = weights
        self._next = start.number + 1
        self._blocks: list[_OpenBlock] = []

    def append(
        self,
        kind: type[O],
        layer: str,
        shape: Shape,
        inputs: Sequence[Value] | None = None,
        **fields: Any,
    ) -> None:
        """One more operation, on the present value unless `inputs` says otherwise."""
        output = Value(self._next, shape)
        self._next += 1
        given = (self.value,) if inputs is None else tuple(inputs)
        self.operations.append(kind(layer, given, output, **fields))
        self.value = output

    # -- the methods of the engine's Builder

    def add_dense(
        self, name: str, units: int, activation: str = "linear", use_bias: bool = True, **_: Any
    ) -> None:
        self.append(Product, name, (units,), **self._kernel(name, use_bias))
        self._activate(name, activation)

    def add_conv2d(
        self,
        name: str,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        pad: Pair = (0, 0),
        activation: str = "linear",
        use_bias: bool = True,
        dilation_rate: Pair = (1, 1),
        groups: int = 1,
        *,
        pad_after: Pair | None = None,
        **_: Any,
    ) -> None:
        down, across = ((k - 1) * d + 1 for k, d in zip(kernel_size, dilation_rate, strict=True))
        pads = self._pads((down, across), strides, padding, pad, pad_after)
        self.append(
            Convolution,
            name,
            (*self._windows((down, across), strides, pads), filters),
            **self._kernel(name, use_bias),
            strides=strides,
            dilation=dilation_rate,
            pads=pads,
            groups=groups,
        )
        self._activate(name, activation)

    def add_max_pool2d(
        self,
        name: str,
        pool_size: Pair,
        strides: Pair,
        padding: str = "valid",
        pad: Pair = (0, 0),
        pad_after: Pair = (0, 0),
    ) -> None:
        self._pool(name, True, pool_size, strides, padding, pad, pad_after, False)

    def add_average_pool2d(
        self,
        name: str,
        pool_size: Pair,
        strides: Pair,
        padding: str = "valid",
        pad: Pair = (0, 0),
        pad_after: Pair = (0, 0),
        counts_padding: bool = False,
    ) -> None:
        self._pool(name, False, pool_size, strides, padding, pad, pad_after, counts_padding)

    def add_global_average_pool2d(self, name: str) -> None:
        self.append(GlobalAverage, name, self.value.shape[-1:])

    def add_flatten(self, name: str) -> None:
        if len(self.value.shape) > 1:
            self.append(Flatten, name, (math.prod(self.value.shape),))

    def add_activation(self, name: str, activation: str) -> None:
        self._activate(name, activation)

    def add_dropout(self, name: str, rate: float) -> None:
        """Prediction drops nothing."""

    def add_batch_normalization(self, name: str, momentum: float, epsilon: float) -> None:
        gamma, beta, mean, variance = (
            self._weights[f"{name}/{parameter}"].astype(np.float64)
            for parameter in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factors = gamma / np.sqrt(variance + epsilon)
        self._scale(name, factors, beta - mean * factors)

    def add_layer_normalization(self, name: str, epsilon: float) -> None:
        self.append(
            NormalizeChannels,
            name,
            self.value.shape,
            gamma=self._weights[f"{name}/gamma"],
            beta=self._weights[f"{name}/beta"],
            epsilon=epsilon,
        )

    def add_rescaling(self, name: str, scale: Sequence[float], offset: Sequence[float]) -> None:
        self._scale(name, np.array(scale, np.float64), np.array(offset, np.float64))

    def begin_block(self, name: str, join: str) -> None:
        self._blocks.append(_OpenBlock(name, _JOINS[join], self.value))

    def next_branch(self) -> None:
        block = self._blocks[-1]
        block.ends.append(self.value)
        self.value = block.start

    def end_block(self, activation: str = "linear") -> None:
        block = self._blocks.pop()
        ends = [*block.ends, self.value]
        self.append(block.join, block.name, _joined_shape(block.join, ends), ends)
        self._activate(block.name, activation)

    # -- inside

    def _kernel(self, name: str, use_bias: bool) -> dict[str, Any]:
        bias = self._weights[f"{name}/bias"] if use_bias else None
        return {"kernel": self._weights[f"{name}/kernel"], "bias": bias}

    def _activate(self, name: str, activation: str) -> None:
        if activation != "linear":
            self.append(Activate, name, self.value.shape, activation=activation)

    def _scale(self, name: str, factors: Any, offsets: Any) -> None:
        shape = self.value.shape
        channels = shape[-1:]
        self.append(
            Scale,
            name,
            shape,
            factors=np.broadcast_to(factors, channels),
            offsets=np.broadcast_to(offsets, channels),
        )

    def _pool(
        self,
        name: str,
        is_maximum: bool,
        window: Pair,
        strides: Pair,
        padding: str,
        pad: Pair,
        pad_after: Pair,
        counts_padding: bool,
    ) -> None:
        pads = self._pads(window, strides, padding, pad, pad_after)
        self.append(
            Pool,
            name,
            (*self._windows(window, strides, pads), self.value.shape[2]),
            is_maximum=is_maximum,
            window=window,
            strides=strides,
            pads=pads,
            counts_padding=counts_padding,
        )

    def _pads(
        self, reach: Pair, strides: Pair, padding: str, pad: Pair, pad_after: Pair | None
    ) -> Sides:
        """((top, bottom), (left, right)) in pixels."""
        if padding == "same":
            rows, columns = (
                max((math.ceil(size / stride) - 1) * stride + length - size, 0)
                for size, stride, length in zip(self.value.shape, strides, reach, strict=False)
            )
            return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
        after = pad if pad_after is None else pad_after
        return (pad[0], after[0]), (pad[1], after[1])

    def _windows(self, reach: Pair, strides: Pair, pads: Sides) -> Pair:
        height, width, _ = self.value.shape
        count = count_windows((height, width), reach, strides, pads)
        assert count is not None  # the model is built
        return count


def _joined_shape(join: type[Operation], values: Sequence[Value]) -> Shape:
    shapes = [value.shape for value in values]
    if join is Concatenate:
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
    if join is Multiply:
        return np.broadcast_shapes(*shapes)
    return shapes[0]
