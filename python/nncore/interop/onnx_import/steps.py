"""What a graph becomes: values between steps, and the parts that steps are made of.

H x W pixels, C channels. The layers of nncore take images (H, W, C) and rows (C,); the tensors of
the file have these axes in another order, and others of length 1. So a value knows both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.curves import F64, GRID
from nncore.layers import Layer, Shape

F32 = NDArray[np.float32]
Axes = tuple[str, ...]

NCHW: Axes = ("N", "C", "H", "W")
NHWC: Axes = ("N", "H", "W", "C")
NO_PADS = (0, 0, 0, 0)


class Unavailable(Exception):
    """Something that nncore has no layers for; the message says what, and of which node."""


@dataclass(frozen=True)
class Part:
    """A layer with its parameters by their short names; a block with the parts of its branches."""

    layer: Layer
    parameters: Mapping[str, F32] = field(default_factory=dict)
    branches: tuple[tuple[Part, ...], ...] = ()


@dataclass(frozen=True)
class Step:
    """From the results of other steps to one more.

    Attributes
    ----------
    where
        The node, for messages.
    sources
        Numbers of the steps whose results it takes; of the first step none.
    parts
        Layers one behind the other, where there is one source.
    join
        "add", "multiply" or "concatenate", where there are several.
    missing
        Why there are no layers for it. That matters only where its result is needed: often it is a
        piece of an activation that is recognised as a whole.
    """

    where: str
    sources: tuple[int, ...]
    parts: tuple[Part, ...] = ()
    join: str | None = None
    missing: str | None = None


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the image.

    Attributes
    ----------
    step
        That gives it.
    shape
        As nncore has it: (H, W, C) or (C,).
    axes
        Of the file's tensor: "N", "C", "H", "W", or "1" for one of length 1.
    order
        Of rows that were an image: the file's number of each of our places; None if equal.
    pads
        Zeros around it, (top, left, bottom, right), which the next step has to add.
    base, curve
        It is a function of each number of `base` by itself (None: of its own, the identity), with
        the values `curve` on `GRID`.
    """

    step: int
    shape: Shape
    axes: Axes
    order: NDArray[np.intp] | None = None
    pads: tuple[int, int, int, int] = NO_PADS
    base: Value | None = None
    curve: F64 = field(default_factory=lambda: GRID)

    @property
    def root(self) -> Value:
        return self if self.base is None else self.base

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def nonnegative(self) -> bool:
        """Whether it is certain that no number is below 0."""
        return self.base is not None and bool(self.curve.min() >= 0)

    def lengths(self, batch: int) -> tuple[int, ...]:
        """Of the axes of the file's tensor."""
        known = {"N": batch, "1": 1, "C": self.shape[-1]}
        if self.is_image:
            top, left, bottom, right = self.pads
            known |= {"H": self.shape[0] + top + bottom, "W": self.shape[1] + left + right}
        return tuple(known[axis] for axis in self.axes)

    def with_axes(self, axes: Axes) -> Value:
        """The same numbers under other axes; what is known of each number stays."""
        base = None if self.base is None else dataclasses.replace(self.base, axes=axes)
        return dataclasses.replace(self, axes=axes, base=base)

    def per_channel(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """One number per channel (C,), or more in further axes, from the file's order to ours."""
        return numbers if self.order is None else numbers[self.order]


def f32(values: NDArray[Any]) -> F32:
    return np.ascontiguousarray(values, np.float32)
