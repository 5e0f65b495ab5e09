"""Residual blocks: the sum of what some layers make of their input and of the input itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nncore.layers.base import Layer, Shape, check_name, known_activation, set_field
from nncore.layers.basic import Dense
from nncore.layers.convolution import Conv2D
from nncore.layers.naming import unique_names

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class Residual(Layer):
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

    default_name: ClassVar[str] = "residual"

    layers: Sequence[Layer]
    activation: str | None = None
    shortcut: Sequence[Layer] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        set_field(self, "layers", _checked("layers", self.layers))
        if self.shortcut is not None:
            set_field(self, "shortcut", _checked("shortcut", self.shortcut))
        activation = known_activation("Residual", self.activation)
        if activation == "softmax":
            raise ValueError("Residual: softmax needs a layer of its own behind the block")
        set_field(self, "activation", activation)
        check_name("Residual", self.name)
        unique_names([*self.layers, *(self.shortcut or ())])

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = _shape_behind(self.layers, input_shape)
        shortcut = _shape_behind(self._shortcut(input_shape, shape), input_shape)
        if shortcut != shape:
            raise ValueError(
                f"Residual: the branch makes {shape} of {input_shape} and the shortcut {shortcut}; "
                "they must be equal to be added"
            )
        return shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        shapes = {}
        for name, layer, shape in self.inner_layers(input_shape):
            for parameter, of_parameter in layer.parameter_shapes(shape).items():
                shapes[f"{name}/{parameter}"] = of_parameter
        return shapes

    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        network.begin_residual(name)
        for at, (inner, layer, shape) in enumerate(self.inner_layers(input_shape)):
            if at == len(self.layers):
                network.begin_shortcut()
            layer.add_to(network, f"{name}/{inner}", shape)
        network.end_residual(str(self.activation))

    def output_activation(self) -> str | None:
        return self.activation

    def to_dict(self) -> dict[str, Any]:
        parts = {
            field: None if layers is None else [layer.to_dict() for layer in layers]
            for field, layers in (("layers", self.layers), ("shortcut", self.shortcut))
        }
        return super().to_dict() | parts

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Layer:
        from nncore.layers.registry import layer_from_dict

        def layers(described: Any) -> list[Layer]:
            if not isinstance(described, list):
                raise TypeError(f"the layers of Residual must be a list, not {described!r}")
            return [layer_from_dict(layer) for layer in described]

        shortcut = fields["shortcut"]
        return cls(
            layers(fields["layers"]),
            fields["activation"],
            None if shortcut is None else layers(shortcut),
            fields["name"],
        )

    def _shortcut(self, input_shape: Shape, shape: Shape) -> Sequence[Layer]:
        """The shortcut's layers, where the branch makes `shape`; none for the identity."""
        if self.shortcut is not None:
            return self.shortcut
        return () if shape == input_shape else (_projection(input_shape, shape),)

    def inner_layers(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Name, description and input shape of the branch's layers, then of the shortcut's."""
        shortcut = self._shortcut(input_shape, _shape_behind(self.layers, input_shape))
        names = iter(unique_names([*self.layers, *shortcut]))
        for layers in (self.layers, shortcut):
            shape = input_shape
            for layer in layers:
                yield next(names), layer, shape
                shape = layer.output_shape(shape)


def _checked(what: str, layers: object) -> tuple[Layer, ...]:
    if isinstance(layers, Layer) or not isinstance(layers, Sequence) or not layers:
        raise TypeError(f"Residual: {what} must be a list of layers, not {layers!r}")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"Residual: {what} must be descriptions such as Conv2D, not {layer!r}")
    return tuple(layers)


def _shape_behind(layers: Sequence[Layer], shape: Shape) -> Shape:
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape


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
