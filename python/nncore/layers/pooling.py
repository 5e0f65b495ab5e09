"""Layers that make images smaller by taking the maximum or the mean of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from nncore.layers.base import Layer, Shape
from nncore.layers.windows import Pair, count_windows, image_shape, int_pair

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class _Pool2D(Layer, kind=False):
    """What both pools with windows share."""

    pool_size: int | Pair = (2, 2)
    strides: int | Pair | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        kind = type(self).__name__
        self._set("pool_size", int_pair(f"{kind}: pool_size", self.pool_size, 1))
        strides = self.pool_size if self.strides is None else self.strides
        self._set("strides", int_pair(f"{kind}: strides", strides, 1))
        super().__post_init__()

    def _windows(self) -> tuple[Pair, Pair]:
        """Pool size and strides, as `__post_init__` left them."""
        return cast("tuple[Pair, Pair]", (self.pool_size, self.strides))

    def output_shape(self, input_shape: Shape) -> Shape:
        kind = type(self).__name__
        height, width, channels = image_shape(kind, input_shape)
        window, strides = self._windows()
        count = count_windows((height, width), window, strides, "valid")
        if count is None:
            raise ValueError(f"{kind}: the window {window} is larger than the image {input_shape}")
        return (*count, channels)


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

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_max_pool2d(name, *self._windows())


@dataclass(frozen=True)
class AveragePool2D(_Pool2D):
    """The mean of each window, channel by channel; arguments as for `MaxPool2D`."""

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_average_pool2d(name, *self._windows())


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: (H, W, C) becomes (C,)."""

    name: str | None = None

    def output_shape(self, input_shape: Shape) -> Shape:
        _, _, channels = image_shape("GlobalAveragePool2D", input_shape)
        return (channels,)

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_global_average_pool2d(name)
