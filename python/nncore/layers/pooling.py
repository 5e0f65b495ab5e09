"""Layers that make images smaller by taking the maximum or the mean of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nncore.layers.base import Layer, Shape, check_name, set_field
from nncore.layers.convolution import Pair, image_shape, int_pair

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class _Pool2D(Layer):
    pool_size: int | Pair = (2, 2)
    strides: int | Pair | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        kind = type(self).__name__
        set_field(self, "pool_size", int_pair(f"{kind}: pool_size", self.pool_size, 1))
        strides = self.pool_size if self.strides is None else self.strides
        set_field(self, "strides", int_pair(f"{kind}: strides", strides, 1))
        check_name(kind, self.name)

    def _pairs(self) -> tuple[Pair, Pair]:
        return int_pair("pool_size", self.pool_size, 1), int_pair("strides", self.strides, 1)

    def output_shape(self, input_shape: Shape) -> Shape:
        kind = type(self).__name__
        height, width, channels = image_shape(kind, input_shape)
        window, strides = self._pairs()
        if window[0] > height or window[1] > width:
            raise ValueError(f"{kind}: the window {window} is larger than the image {input_shape}")
        return (
            (height - window[0]) // strides[0] + 1,
            (width - window[1]) // strides[1] + 1,
            channels,
        )

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {}


@dataclass(frozen=True)
class MaxPool2D(_Pool2D):
    """The largest value of each window, channel by channel.

    Parameters
    ----------
    pool_size
        Rows and columns of the window: one integer for both or a pair.
    strides
        Steps between windows; by default the pool size, so that they touch without overlapping.
        What does not fill a last window is dropped.
    name
        By default "max_pool2d", "max_pool2d_1", ...
    """

    default_name: ClassVar[str] = "max_pool2d"

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        network.add_max_pool2d(name, *self._pairs())


@dataclass(frozen=True)
class AveragePool2D(_Pool2D):
    """The mean of each window, channel by channel; arguments as for `MaxPool2D`."""

    default_name: ClassVar[str] = "average_pool2d"

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        network.add_average_pool2d(name, *self._pairs())


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: (H, W, C) becomes (C,)."""

    default_name: ClassVar[str] = "global_average_pool2d"

    name: str | None = None

    def __post_init__(self) -> None:
        check_name("GlobalAveragePool2D", self.name)

    def output_shape(self, input_shape: Shape) -> Shape:
        _, _, channels = image_shape("GlobalAveragePool2D", input_shape)
        return (channels,)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {}

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        network.add_global_average_pool2d(name)
