"""Convolutions of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nncore.arguments import check_int
from nncore.layers.base import Layer, Shape, check_name, known_activation, set_field
from nncore.layers.kernels import KERNEL_FIELDS, check_kernel_fields, kernel_arguments
from nncore.regularizers import Regularizer

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

    ``y[i, j, o] = activation(sum of x[i * s + k * d, j * s + l * d, c] * kernel[k, l, c, o] +
    bias[o])`` over the kernel's rows k, columns l and the input channels c, with the stride s and
    the dilation rate d. (It is a cross-correlation; the field calls it convolution.)

    The kernel is (rows, columns, C / groups, filters).

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
        A name of `ACTIVATIONS` but softmax; None is "linear".
    use_bias
        Whether to add one trained number per filter.
    kernel_initializer, kernel_regularizer
        As of `Dense`.
    name
        By default "conv2d", "conv2d_1", ...
    dilation_rate
        Input pixels from one row or column of the kernel to the next: one integer for both or a
        pair. With 2 a kernel of 3x3 numbers reaches over 5x5 pixels. (Keras refuses strides and
        dilation together; here they may be.)
    groups
        Into how many groups the channels fall, in order, each of which only its own share of the
        filters sees; it must divide the channels and the filters. As many groups as channels:
        each channel by itself, see `DepthwiseConv2D`.
    """

    default_name: ClassVar[str] = "conv2d"
    later_fields: ClassVar[frozenset[str]] = KERNEL_FIELDS | {"dilation_rate", "groups"}

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = (1, 1)
    padding: str | int | Pair = "valid"
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: str | None = field(default=None, kw_only=True)
    kernel_regularizer: Regularizer | float | None = field(default=None, kw_only=True)
    name: str | None = None
    dilation_rate: int | Pair = field(default=(1, 1), kw_only=True)
    groups: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        set_field(self, "filters", check_int("Conv2D: filters", self.filters, 1))
        set_field(self, "groups", check_int("Conv2D: groups", self.groups, 1))
        if self.filters % self.groups:
            raise ValueError(
                f"Conv2D: groups must divide the filters, and {self.groups} does not divide "
                f"{self.filters}"
            )
        _check_settings(self)

    def _group_channels(self, input_shape: Shape) -> int:
        _, _, channels = image_shape("Conv2D", input_shape)
        if channels % self.groups:
            raise ValueError(
                f"Conv2D: groups must divide the channels of the image, and {self.groups} does "
                f"not divide {channels}"
            )
        return channels // self.groups

    def output_shape(self, input_shape: Shape) -> Shape:
        self._group_channels(input_shape)
        return _output_shape(self, input_shape, self.filters)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return _parameter_shapes(self, self._group_channels(input_shape), self.filters)

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        _add(self, network, name, self.filters, self.groups)

    def output_activation(self) -> str | None:
        return self.activation


@dataclass(frozen=True)
class DepthwiseConv2D(Layer):
    """Convolve each channel by itself: (H, W, C) becomes (H', W', C * depth_multiplier).

    The same as `Conv2D` with C groups: output channel ``c * depth_multiplier + m`` sees channel c
    alone. With a `Conv2D` of kernel size 1 behind it, which mixes the channels, it makes a
    depthwise separable convolution: for a fraction of the work nearly what a full one can learn
    (Howard et al., "MobileNets", 2017).

    The kernel is (rows, columns, 1, C * depth_multiplier), like that of the `Conv2D`. Keras shows
    the same numbers in the same order as (rows, columns, C, depth_multiplier).

    Parameters
    ----------
    kernel_size, strides, padding, activation, use_bias, dilation_rate, kernel_initializer, \
kernel_regularizer
        As for `Conv2D`.
    depth_multiplier
        Number of output channels for each channel of the image.
    name
        By default "depthwise_conv2d", "depthwise_conv2d_1", ...
    """

    default_name: ClassVar[str] = "depthwise_conv2d"

    kernel_size: int | Pair
    strides: int | Pair = (1, 1)
    padding: str | int | Pair = "valid"
    depth_multiplier: int = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: str | None = field(default=None, kw_only=True)
    kernel_regularizer: Regularizer | float | None = field(default=None, kw_only=True)
    name: str | None = None
    dilation_rate: int | Pair = field(default=(1, 1), kw_only=True)

    def __post_init__(self) -> None:
        multiplier = check_int("DepthwiseConv2D: depth_multiplier", self.depth_multiplier, 1)
        set_field(self, "depth_multiplier", multiplier)
        _check_settings(self)

    def output_shape(self, input_shape: Shape) -> Shape:
        _, _, channels = image_shape("DepthwiseConv2D", input_shape)
        return _output_shape(self, input_shape, channels * self.depth_multiplier)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        _, _, channels = image_shape("DepthwiseConv2D", input_shape)
        return _parameter_shapes(self, 1, channels * self.depth_multiplier)

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        _, _, channels = image_shape("DepthwiseConv2D", input_shape)
        _add(self, network, name, channels * self.depth_multiplier, channels)

    def output_activation(self) -> str | None:
        return self.activation


_Conv2D = Conv2D | DepthwiseConv2D


def _check_settings(layer: _Conv2D) -> None:
    """Refuse or normalise what all convolutions have."""
    kind = type(layer).__name__
    for what in ("kernel_size", "strides", "dilation_rate"):
        set_field(layer, what, int_pair(f"{kind}: {what}", getattr(layer, what), 1))
    if isinstance(layer.padding, str):
        if layer.padding not in ("valid", "same"):
            raise ValueError(
                f'{kind}: padding must be "valid", "same" or a number of pixels, '
                f"not {layer.padding!r}"
            )
    else:
        set_field(layer, "padding", int_pair(f"{kind}: padding", layer.padding, 0))
    activation = known_activation(kind, layer.activation)
    if activation == "softmax":
        raise ValueError(f"{kind}: softmax needs a row of numbers: use it after Flatten()")
    set_field(layer, "activation", activation)
    if not isinstance(layer.use_bias, bool):
        raise TypeError(f"{kind}: use_bias must be True or False, not {layer.use_bias!r}")
    check_kernel_fields(layer)
    check_name(kind, layer.name)


def _pairs(layer: _Conv2D) -> tuple[Pair, Pair, Pair, Pair]:
    """Kernel size, strides, dilation rate and, for explicit padding, its pixels."""
    kernel = int_pair("kernel_size", layer.kernel_size, 1)
    strides = int_pair("strides", layer.strides, 1)
    dilation = int_pair("dilation_rate", layer.dilation_rate, 1)
    pad = (0, 0) if isinstance(layer.padding, str) else int_pair("padding", layer.padding, 0)
    return kernel, strides, dilation, pad


def _output_shape(layer: _Conv2D, input_shape: Shape, filters: int) -> Shape:
    kind = type(layer).__name__
    height, width, _ = image_shape(kind, input_shape)
    kernel, strides, dilation, pad = _pairs(layer)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    sizes = []
    for size, r, s, p in zip((height, width), reach, strides, pad, strict=True):
        if layer.padding == "same":
            sizes.append(math.ceil(size / s))
            continue
        if size + 2 * p < r:
            dilated = f" with dilation rate {dilation}" if reach != kernel else ""
            raise ValueError(
                f"{kind}: the kernel {kernel}{dilated} is larger than the image {input_shape} "
                f"with padding {layer.padding!r}"
            )
        sizes.append((size + 2 * p - r) // s + 1)
    return (*sizes, filters)


def _parameter_shapes(layer: _Conv2D, group_channels: int, filters: int) -> dict[str, Shape]:
    kernel, _, _, _ = _pairs(layer)
    shapes: dict[str, Shape] = {"kernel": (*kernel, group_channels, filters)}
    if layer.use_bias:
        shapes["bias"] = (filters,)
    return shapes


def _add(layer: _Conv2D, network: _core.Network, name: str, filters: int, groups: int) -> None:
    kernel, strides, dilation, pad = _pairs(layer)
    network.add_conv2d(
        name,
        filters,
        kernel,
        strides,
        layer.padding if isinstance(layer.padding, str) else "explicit",
        pad,
        str(layer.activation),
        layer.use_bias,
        dilation,
        groups,
        **kernel_arguments(layer),
    )
