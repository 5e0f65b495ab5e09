"""Convolutions of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nncore.arguments import check_int
from nncore.layers.base import Layer, Shape, check_name, known_activation, set_field

if TYPE_CHECKING:
    from nncore import _core

Pair = tuple[int, int]


def int_pair(what: str, value: object, minimum: int) -> Pair:
    """(rows, columns) from a pair or from one integer for both."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError(f"{what} must be one integer or two, not {value!r}")
        return check_int(what, value[0], minimum), check_int(what, value[1], minimum)
    size = check_int(what, value, minimum)
    return size, size


def image_shape(what: str, shape: Shape) -> tuple[int, int, int]:
    """`shape` as (H, W, C); ValueError for a row of numbers."""
    if len(shape) != 3:
        raise ValueError(f"{what} takes images (height, width, channels), not inputs of {shape}")
    height, width, channels = shape
    return height, width, channels


@dataclass(frozen=True)
class Conv2D(Layer):
    """Slide `filters` small kernels over an image: (H, W, C) becomes (H', W', filters).

    ``y[i, j, o] = activation(sum of x[i * s + k, j * s + l, c] * kernel[k, l, c, o] + bias[o])``
    over the kernel's rows k, columns l and the input channels c. (It is a cross-correlation; the
    field calls it convolution.)

    Parameters
    ----------
    filters
        Number of output channels, at least 1.
    kernel_size
        Rows and columns of the kernel: one integer for both or a pair.
    strides
        Steps between neighbouring outputs, in input pixels.
    padding
        "valid": none, the image shrinks. "same": zeros around so that H' = ceil(H / stride), an odd
        pixel below and to the right, as Keras does. An integer or a pair: so many zeros on each
        side, as in PyTorch.
    activation
        linear (None), relu, sigmoid or tanh.
    use_bias
        Whether to add one trained number per filter.
    name
        By default "conv2d", "conv2d_1", ...
    """

    default_name: ClassVar[str] = "conv2d"

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = (1, 1)
    padding: str | int | Pair = "valid"
    activation: str | None = None
    use_bias: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        set_field(self, "filters", check_int("Conv2D: filters", self.filters, 1))
        set_field(self, "kernel_size", int_pair("Conv2D: kernel_size", self.kernel_size, 1))
        set_field(self, "strides", int_pair("Conv2D: strides", self.strides, 1))
        if isinstance(self.padding, str):
            if self.padding not in ("valid", "same"):
                raise ValueError(
                    f'Conv2D: padding must be "valid", "same" or a number of pixels, '
                    f"not {self.padding!r}"
                )
        else:
            set_field(self, "padding", int_pair("Conv2D: padding", self.padding, 0))
        activation = known_activation("Conv2D", self.activation)
        if activation == "softmax":
            raise ValueError("Conv2D: softmax needs a row of numbers: use it after Flatten()")
        set_field(self, "activation", activation)
        if not isinstance(self.use_bias, bool):
            raise TypeError(f"Conv2D: use_bias must be True or False, not {self.use_bias!r}")
        check_name("Conv2D", self.name)

    def _pairs(self) -> tuple[Pair, Pair, Pair]:
        """Kernel size, strides and, for explicit padding, its pixels."""
        kernel = int_pair("kernel_size", self.kernel_size, 1)
        strides = int_pair("strides", self.strides, 1)
        pad = (0, 0) if isinstance(self.padding, str) else int_pair("padding", self.padding, 0)
        return kernel, strides, pad

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, _ = image_shape("Conv2D", input_shape)
        kernel, strides, pad = self._pairs()
        sizes = []
        for size, k, s, p in zip((height, width), kernel, strides, pad, strict=True):
            if self.padding == "same":
                sizes.append(math.ceil(size / s))
                continue
            if size + 2 * p < k:
                raise ValueError(
                    f"Conv2D: the kernel {kernel} is larger than the image {input_shape} with "
                    f"padding {self.padding!r}"
                )
            sizes.append((size + 2 * p - k) // s + 1)
        return (*sizes, self.filters)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        _, _, channels = image_shape("Conv2D", input_shape)
        kernel, _, _ = self._pairs()
        shapes: dict[str, Shape] = {"kernel": (*kernel, channels, self.filters)}
        if self.use_bias:
            shapes["bias"] = (self.filters,)
        return shapes

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        kernel, strides, pad = self._pairs()
        padding = self.padding if isinstance(self.padding, str) else "explicit"
        network.add_conv2d(
            name, self.filters, kernel, strides, padding, pad, str(self.activation), self.use_bias
        )

    def output_activation(self) -> str | None:
        return self.activation
