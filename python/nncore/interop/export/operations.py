"""The operations that a network is made of, with their numbers.

N is left out: a value is an image (H, W, C) or a row (features,), channels last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncore.layers import Shape
from nncore.layers.windows import Pair, Sides

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Value:
    """What an operation takes or gives, by its number in the program."""

    number: int
    shape: Shape

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Operation:
    """One step from `inputs` to `output`; `layer` is the name of the layer that it comes from."""

    layer: str
    inputs: tuple[Value, ...]
    output: Value

    @property
    def input(self) -> Value:
        """The only one."""
        (value,) = self.inputs
        return value

    @property
    def multiply_adds(self) -> int:
        """How many products are added up, for one image."""
        return 0

    @property
    def scratch(self) -> tuple[Value, ...]:
        """Room that it needs while it is computed."""
        return ()


@dataclass(frozen=True, eq=False)
class FromBytes(Operation):
    """The network's first value from bytes: `x * factors + offsets`, one each per channel."""

    factors: F32
    offsets: F32


@dataclass(frozen=True, eq=False)
class Convolution(Operation):
    """Kernel (kh, kw, C / groups, filters) and bias (filters,), or None."""

    kernel: F32
    bias: F32 | None
    strides: Pair
    dilation: Pair
    pads: Sides
    groups: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel gives one by itself."""
        return self.groups == self.input.shape[2] == self.output.shape[2]

    @property
    def multiply_adds(self) -> int:
        height, width, _ = self.output.shape
        return height * width * self.kernel.size


@dataclass(frozen=True, eq=False)
class PooledConvolution(Convolution):
    """A convolution, then the largest value of windows without padding; see `pooled.py`.

    `line` holds one pixel of the convolution.
    """

    window: Pair
    pool_strides: Pair
    line: Value

    @property
    def scratch(self) -> tuple[Value, ...]:
        return (self.line,)

    @property
    def multiply_adds(self) -> int:
        return super().multiply_adds * math.prod(self.window)


@dataclass(frozen=True, eq=False)
class Product(Operation):
    """`x @ kernel + bias` of a row; kernel (in, out), bias (out,) or None."""

    kernel: F32
    bias: F32 | None

    @property
    def multiply_adds(self) -> int:
        return self.kernel.size


@dataclass(frozen=True, eq=False)
class Pool(Operation):
    """The largest value or the mean of windows."""

    is_maximum: bool
    window: Pair
    strides: Pair
    pads: Sides
    counts_padding: bool

    @property
    def is_padded(self) -> bool:
        """Whether windows reach beyond the image."""
        return any(map(any, self.pads))


@dataclass(frozen=True, eq=False)
class GlobalAverage(Operation):
    """The mean of each channel: an image to a row."""


@dataclass(frozen=True, eq=False)
class Scale(Operation):
    """`x * factors + offsets`, one each per channel; float64, so that they fold in well."""

    factors: F64
    offsets: F64


@dataclass(frozen=True, eq=False)
class NormalizeChannels(Operation):
    """Mean 0 and variance 1 over the channels of each pixel, then `* gamma + beta`."""

    gamma: F32
    beta: F32
    epsilon: float


@dataclass(frozen=True, eq=False)
class Activate(Operation):
    """One of `nncore.layers.ACTIVATIONS` but linear; softmax is over the last axis."""

    activation: str


@dataclass(frozen=True, eq=False)
class Flatten(Operation):
    """The same numbers in the same order as a row."""


@dataclass(frozen=True, eq=False)
class Add(Operation):
    """The sum of values of one shape."""


@dataclass(frozen=True, eq=False)
class Multiply(Operation):
    """The product; sizes of 1 stand for as many equal values, missing axes in front likewise."""


@dataclass(frozen=True, eq=False)
class Concatenate(Operation):
    """Side by side along the last axis."""


@dataclass(frozen=True, eq=False)
class Logarithm(Operation):
    """Of probabilities, which count as no smaller than the smallest normal float32."""


@dataclass(frozen=True, eq=False)
class NearestDistribution(Operation):
    """The point of {p >= 0, sum p = 1} that is nearest to a row."""
