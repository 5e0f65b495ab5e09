"""Blocks: layers in branches, which all take the block's input and are joined at its end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nncore.layers.base import Layer, Shape
from nncore.layers.naming import unique_names

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class Branch:
    """Layers one behind the other, for inputs of one shape; no layers are the input itself."""

    layers: Sequence[Layer]
    input_shapes: Sequence[Shape]
    output_shape: Shape

    @classmethod
    def of(cls, layers: Sequence[Layer], input_shape: Shape) -> Branch:
        """Ask each layer once: asking twice would double the time with each block in a block."""
        shapes = [input_shape]
        for layer in layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return cls(layers, shapes[:-1], shapes[-1])


class Block(Layer, kind=False):
    """Base of the blocks: a kind says what its branches are and how they are joined.

    Inner layers are named as those of a model, together over all branches, behind the block's name
    and a slash: "residual/conv2d", "residual/conv2d_1".
    """

    # How the engine joins the branches: "add", "concatenate" or "multiply".
    _join: ClassVar[str]

    @abstractmethod
    def _branches(self, input_shape: Shape) -> Sequence[Branch]:
        """The branches in order, at least two."""

    @abstractmethod
    def _joined_shape(self, branches: Sequence[Branch]) -> Shape:
        """Shape of what the branches make together; ValueError where they do not fit."""

    def _end_activation(self) -> str:
        """Name of the activation behind the join."""
        return "linear"

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._joined_shape(self._branches(input_shape))

    def inner_layers(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Name, description and input shape of each branch's layers in turn."""
        for branch in _named(self._branches(input_shape)):
            yield from branch

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.begin_block(name, self._join)
        for at, branch in enumerate(_named(self._branches(input_shape))):
            if at > 0:
                network.next_branch()
            for inner, layer, shape in branch:
                layer.append_to(network, f"{name}/{inner}", shape)
        network.end_block(self._end_activation())


def layers_of(what: str, layers: object, *, some: bool = True) -> tuple[Layer, ...]:
    """`layers` as a tuple; TypeError where it is something else than layers, or none but `some`."""
    if isinstance(layers, Layer | str) or not isinstance(layers, Sequence) or (some and not layers):
        raise TypeError(f"{what} must be a list of layers, not {layers!r}")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"{what} must be descriptions such as Conv2D, not {layer!r}")
    return tuple(layers)


def _named(branches: Sequence[Branch]) -> list[list[tuple[str, Layer, Shape]]]:
    """Name, description and input shape of the layers, branch by branch."""
    names = iter(unique_names([layer for branch in branches for layer in branch.layers]))
    return [
        [
            (next(names), layer, shape)
            for layer, shape in zip(branch.layers, branch.input_shapes, strict=True)
        ]
        for branch in branches
    ]
