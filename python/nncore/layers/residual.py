"""Residual blocks: the sum of what some layers make of their input and of the input itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from nncore.layers.activations import known_activation
from nncore.layers.base import Layer, Shape
from nncore.layers.basic import Dense
from nncore.layers.blocks import Block, Branch, layers_of
from nncore.layers.convolution import Conv2D
from nncore.layers.naming import unique_names


@dataclass(frozen=True)
class Residual(Block):
    """``activation(branch(x) + shortcut(x))``, the building block of deep networks.

    The shortcut is the identity where the branch keeps the shape of its input. Otherwise it is a
    projection: a 1x1 convolution with the stride that gives the branch's shape (for rows of
    numbers, a Dense layer), or the layers that `shortcut` lists.
    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Parameters
    ----------
    layers
        The branch, at least one layer. Blocks may contain blocks.
    activation
        Of the sum: linear (None), relu, sigmoid or tanh.
    shortcut
        Layers for the shortcut; None chooses as said above.
    trainable
        Whether the layers inside are trained, as far as these say so themselves.
    name
        By default "residual", "residual_1", ... Inner layers and their parameters are called
        "residual/conv2d" and so on.

    Examples
    --------
    >>> block = Residual(
    ...     [Conv2D(32, 3, padding="same", activation="relu"), Conv2D(32, 3, padding="same")],
    ...     activation="relu",
    ... )
    >>> block.output_shape((28, 28, 32))
    (28, 28, 32)
    """

    later_fields: ClassVar = frozenset({"trainable"})
    nested: ClassVar = {"layers": Layer, "shortcut": Layer}
    _join: ClassVar = "add"

    layers: Sequence[Layer]
    activation: str | None = None
    shortcut: Sequence[Layer] | None = None
    name: str | None = None
    trainable: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._set("layers", layers_of("Residual: layers", self.layers))
        if self.shortcut is not None:
            self._set("shortcut", layers_of("Residual: shortcut", self.shortcut))
        activation = known_activation("Residual", self.activation)
        if activation == "softmax":
            raise ValueError("Residual: softmax needs a layer of its own behind the block")
        self._set("activation", activation)
        unique_names([*self.layers, *(self.shortcut or ())])
        super().__post_init__()

    def output_activation(self) -> str | None:
        return self.activation

    def _branches(self, input_shape: Shape) -> Sequence[Branch]:
        branch = Branch.of(self.layers, input_shape)
        shortcut: Sequence[Layer] = ()
        if self.shortcut is not None:
            shortcut = self.shortcut
        elif branch.output_shape != input_shape:
            shortcut = (_projection(input_shape, branch.output_shape),)
        return branch, Branch.of(shortcut, input_shape)

    def _joined_shape(self, branches: Sequence[Branch]) -> Shape:
        branch, shortcut = branches
        if shortcut.output_shape != branch.output_shape:
            raise ValueError(
                f"Residual: the branch makes {branch.output_shape} of {branch.input_shapes[0]} and "
                f"the shortcut {shortcut.output_shape}; they must be equal to be added"
            )
        return branch.output_shape

    def _end_activation(self) -> str:
        return str(self.activation)


def _projection(given: Shape, wanted: Shape) -> Layer:
    if len(given) == len(wanted) == 1:
        return Dense(wanted[0])
    if len(given) == len(wanted) == 3:
        strides = [_stride(size, outputs) for size, outputs in zip(given[:2], wanted, strict=False)]
        if strides[0] and strides[1]:
            return Conv2D(wanted[2], 1, strides=(strides[0], strides[1]))
    raise ValueError(
        f"Residual: the branch makes {wanted} of {given}, which no 1x1 convolution does; say which "
        "layers do with shortcut=[...]"
    )


def _stride(size: int, outputs: int) -> int:
    """The stride that makes `outputs` of `size` pixels; 0 if none does."""
    stride = max(1, -(-size // outputs))
    return stride if (size - 1) // stride + 1 == outputs else 0
