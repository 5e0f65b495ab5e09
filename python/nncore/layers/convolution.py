"""Convolutions of images."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

from nncore.layers.base import Shape
from nncore.layers.kernels import KERNEL_FIELDS, KernelLayer
from nncore.layers.windows import (
    Pair,
    Sides,
    count_windows,
    engine_padding,
    image_shape,
    int_pair,
    padding_of,
)
from nncore.regularizers import Regularizer

if TYPE_CHECKING:
    from nncore import _core


class _Convolution(KernelLayer, kind=False):
    """What both convolutions share; they have these fields."""

    kernel_size: int | Pair
    strides: int | Pair
    padding: str | int | Pair | Sides
    dilation_rate: int | Pair

    def __post_init__(self) -> None:
        what = type(self).__name__
        for field_name in ("kernel_size", "strides", "dilation_rate"):
            value = getattr(self, field_name)
            self._set(field_name, int_pair(f"{what}: {field_name}", value, 1))
        self._set("padding", padding_of(what, self.padding))
        if self.activation == "softmax":
            raise ValueError(f"{what}: softmax needs a row of numbers: use it after Flatten()")
        super().__post_init__()

    @abstractmethod
    def _filters_and_groups(self, input_shape: Shape) -> tuple[int, int]:
        """Output channels, and the groups that input and output channels fall into."""

    def output_shape(self, input_shape: Shape) -> Shape:
        filters, _ = self._filters_and_groups(input_shape)
        height, width, _ = image_shape(type(self).__name__, input_shape)
        kernel, strides, dilation, padding = self._windows()
        reach = (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1
        count = count_windows((height, width), reach, strides, padding)
        if count is None:
            dilated = f" with dilation rate {dilation}" if reach != kernel else ""
            raise ValueError(
                f"{type(self).__name__}: the kernel {kernel}{dilated} is larger than the image "
                f"{input_shape} with padding {padding!r}"
            )
        return (*count, filters)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        filters, groups = self._filters_and_groups(input_shape)
        kernel, _, _, _ = self._windows()
        shapes: dict[str, Shape] = {"kernel": (*kernel, input_shape[2] // groups, filters)}
        if self.use_bias:
            shapes["bias"] = (filters,)
        return shapes

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        filters, groups = self._filters_and_groups(input_shape)
        kernel, strides, dilation, padding = self._windows()
        way, pad, pad_after = engine_padding(padding)
        network.add_conv2d(
            name,
            filters,
            kernel,
            strides,
            way,
            pad,
            str(self.activation),
            self.use_bias,
            dilation,
            groups,
            **self._kernel_arguments(),
            pad_after=pad_after,
        )

    def _windows(self) -> tuple[Pair, Pair, Pair, str | Pair | Sides]:
        """Kernel size, strides, dilation rate and padding, as `__post_init__` left them."""
        values = self.kernel_size, self.strides, self.dilation_rate, self.padding
        return cast("tuple[Pair, Pair, Pair, str | Pair | Sides]", values)


@dataclass(frozen=True)
class Conv2D(_Convolution):
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
        side, as in PyTorch. Two pairs: ((top, bottom), (left, right)).
    activation
        A name of `ACTIVATIONS` but softmax; None is "linear".
    use_bias
        Whether to add one trained number per filter.
    kernel_initializer, kernel_regularizer, trainable
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

    later_fields: ClassVar = KERNEL_FIELDS | {"dilation_rate", "groups"}

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = (1, 1)
    padding: str | int | Pair | Sides = "valid"
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: str | None = field(default=None, kw_only=True)
    kernel_regularizer: Regularizer | float | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)
    name: str | None = None
    dilation_rate: int | Pair = field(default=(1, 1), kw_only=True)
    groups: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        self._check_int("filters", 1)
        self._check_int("groups", 1)
        if self.filters % self.groups:
            raise ValueError(
                f"Conv2D: groups must divide the filters, and {self.groups} does not divide "
                f"{self.filters}"
            )
        super().__post_init__()

    def _filters_and_groups(self, input_shape: Shape) -> tuple[int, int]:
        _, _, channels = image_shape("Conv2D", input_shape)
        if channels % self.groups:
            raise ValueError(
                f"Conv2D: groups must divide the channels of the image, and {self.groups} does "
                f"not divide {channels}"
            )
        return self.filters, self.groups


@dataclass(frozen=True)
class DepthwiseConv2D(_Convolution):
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
kernel_regularizer, trainable
        As for `Conv2D`.
    depth_multiplier
        Number of output channels for each channel of the image.
    name
        By default "depthwise_conv2d", "depthwise_conv2d_1", ...
    """

    kernel_size: int | Pair
    strides: int | Pair = (1, 1)
    padding: str | int | Pair | Sides = "valid"
    depth_multiplier: int = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: str | None = field(default=None, kw_only=True)
    kernel_regularizer: Regularizer | float | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)
    name: str | None = None
    dilation_rate: int | Pair = field(default=(1, 1), kw_only=True)

    def __post_init__(self) -> None:
        self._check_int("depth_multiplier", 1)
        super().__post_init__()

    def _filters_and_groups(self, input_shape: Shape) -> tuple[int, int]:
        _, _, channels = image_shape("DepthwiseConv2D", input_shape)
        return channels * self.depth_multiplier, channels
