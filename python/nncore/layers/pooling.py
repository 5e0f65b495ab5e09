"""Layers that make images smaller by taking the maximum or the mean of windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

from nncore.layers.base import Layer, Shape
from nncore.layers.windows import (
    Pair,
    Sides,
    count_windows,
    engine_padding,
    image_shape,
    int_pair,
    padding_of,
    sides_of,
)

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class _Pool2D(Layer, kind=False):
    """What both pools with windows share."""

    later_fields: ClassVar = frozenset({"padding"})

    pool_size: int | Pair = (2, 2)
    strides: int | Pair | None = None
    name: str | None = None
    padding: str | int | Pair | Sides = field(default="valid", kw_only=True)

    def __post_init__(self) -> None:
        kind = type(self).__name__
        self._set("pool_size", int_pair(f"{kind}: pool_size", self.pool_size, 1))
        strides = self.pool_size if self.strides is None else self.strides
        self._set("strides", int_pair(f"{kind}: strides", strides, 1))
        self._set("padding", padding_of(kind, self.padding))
        window, _, padding = self._windows()
        # Else there would be windows that hold nothing.
        if any(max(p) >= size for p, size in zip(sides_of(padding), window, strict=True)):
            raise ValueError(
                f"{kind}: padding must be smaller than the window {window}, not {padding!r}"
            )
        super().__post_init__()

    def _windows(self) -> tuple[Pair, Pair, str | Pair | Sides]:
        """Pool size, strides and padding, as `__post_init__` left them."""
        values = self.pool_size, self.strides, self.padding
        return cast("tuple[Pair, Pair, str | Pair | Sides]", values)

    def output_shape(self, input_shape: Shape) -> Shape:
        kind = type(self).__name__
        height, width, channels = image_shape(kind, input_shape)
        window, strides, padding = self._windows()
        count = count_windows((height, width), window, strides, padding)
        if count is None:
            padded = "" if padding == "valid" else f" with padding {padding!r}"
            raise ValueError(
                f"{kind}: the window {window} is larger than the image {input_shape}{padded}"
            )
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
    padding
        By how much windows reach beyond the image, as of `Conv2D`; less than the pool size. What
        lies there is never the largest.
    name
        By default "max_pool2d", "max_pool2d_1", ...
    """

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        window, strides, padding = self._windows()
        network.add_max_pool2d(name, window, strides, *engine_padding(padding))


@dataclass(frozen=True)
class AveragePool2D(_Pool2D):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    pool_size, strides, padding
        As for `MaxPool2D`. The mean is that of the pixels of the image, as in Keras.
    count_padding
        Whether the padding counts for the mean, as zeros (PyTorch's default).
    name
        By default "average_pool2d", "average_pool2d_1", ...
    """

    later_fields: ClassVar = frozenset({"count_padding"})

    count_padding: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        self._check_flag("count_padding")
        super().__post_init__()

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        window, strides, padding = self._windows()
        network.add_average_pool2d(
            name, window, strides, *engine_padding(padding), self.count_padding
        )


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: (H, W, C) becomes (C,)."""

    name: str | None = None

    def output_shape(self, input_shape: Shape) -> Shape:
        _, _, channels = image_shape("GlobalAveragePool2D", input_shape)
        return (channels,)

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_global_average_pool2d(name)
