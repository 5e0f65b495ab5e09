"""Layers one behind the other: their names, and the shapes that follow from that of an image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nncore.layers.base import Layer, Shape
from nncore.layers.basic import Dense
from nncore.layers.last_convolution import last_convolution
from nncore.layers.naming import unique_names
from nncore.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from nncore import _core

# Of one image, all layers together: 1 GB as float32. A file of some bytes, or a size that is given
# in haste, could ask for any.
MAX_VALUES_PER_IMAGE = 2**28


class LayerStack:
    """The descriptions of a whole network, in order.

    Parameters
    ----------
    layers
        At least one; the last one has to give a number per class.

    Raises
    ------
    TypeError, ValueError
        Something else than a layer, none at all, or two of the same name.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"layers must be descriptions such as Dense(10), not {layer!r}")
        if not self.layers:
            raise ValueError("Sequential needs at least one layer")
        self.names = unique_names(self.layers)

    def fixed_layers(self, network: _core.Network) -> tuple[Layer, ...]:
        """The layers before the first one of which `network` trains a weight."""
        names = [name for name in network.parameter_names() if network.is_trained(name)]
        trained = {name.partition("/")[0] for name in names}
        places = [at for at, name in enumerate(self.names) if name in trained]
        return self.layers[: min(places, default=len(self.layers))]

    def trained_from(self, first: str) -> LayerStack:
        """The same layers, of which those before the layer `first` are fixed and the others not.

        Raises
        ------
        ValueError
            No layer is called so.
        """
        self._check_name(first)
        place = self.names.index(first)
        layers = [with_trainable(layer, at >= place) for at, layer in enumerate(self.layers)]
        return LayerStack(layers)

    def with_layer(self, name: str, **fields: Any) -> LayerStack:
        """The same layers, of which one has other fields.

        Raises
        ------
        ValueError, TypeError
            No layer is called so, or it has no such field.
        """
        self._check_name(name)
        layers = [
            dataclasses.replace(layer, **fields) if other == name else layer  # type: ignore[type-var]
            for other, layer in zip(self.names, self.layers, strict=True)
        ]
        return LayerStack(layers)

    def _check_name(self, name: str) -> None:
        if name not in self.names:
            raise ValueError(f"no layer is called {name!r}; there are: {', '.join(self.names)}")

    def output_shapes(self, input_shape: Shape) -> list[Shape]:
        """Of each layer; ValueError naming the layer where they do not fit."""
        shapes, shape = [], input_shape
        for name, layer in zip(self.names, self.layers, strict=True):
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"layer {name!r}: {error}") from None
            shapes.append(shape)
        if len(shape) != 1:
            raise ValueError(
                f"the last layer {self.names[-1]!r} gives {shape} per image; it must give one "
                "number per class: end with Flatten() and Dense(number of classes)"
            )
        return shapes

    def check_values(self, input_shape: Shape) -> None:
        """ValueError where one image would need more memory than is allowed."""
        shapes = [input_shape, *self.output_shapes(input_shape)]
        sizes = [
            (math.prod(shape), name)
            for name, shape in zip(["the input", *self.names], shapes, strict=True)
        ]
        total = sum(size for size, _ in sizes)
        if total > MAX_VALUES_PER_IMAGE:
            size, name = max(sizes)
            raise ValueError(
                f"{total:,} values per image, of which {name} has {size:,}, are more than the "
                f"{MAX_VALUES_PER_IMAGE:,} that are allowed: take smaller images"
            )

    def input_shapes(self, input_shape: Shape) -> list[Shape]:
        """Of each layer."""
        return [input_shape, *self.output_shapes(input_shape)[:-1]]

    def output_size(self, input_shape: Shape) -> int:
        """Numbers per image that the last layer gives."""
        (size,) = self.output_shapes(input_shape)[-1]
        return size

    def parameter_shapes(self, input_shape: Shape) -> list[dict[str, Shape]]:
        """Of each layer, by their short names."""
        pairs = zip(self.layers, self.input_shapes(input_shape), strict=True)
        return [layer.parameter_shapes(shape) for layer, shape in pairs]

    def largest_fan_in(self, input_shape: Shape) -> int:
        """Most inputs that are added up for one output: of the largest kernel; at least 1."""
        return max(
            (
                math.prod(shape[:-1])
                for shapes in self.parameter_shapes(input_shape)
                for name, shape in shapes.items()
                if name.endswith("kernel")
            ),
            default=1,
        )

    def output_activation(self) -> str:
        """Name of the activation that ends the network."""
        for layer in reversed(self.layers):
            activation = layer.output_activation()
            if activation is not None:
                return activation
        return "linear"

    def head(self, input_shape: Shape) -> tuple[str, int] | None:
        """The last layer with weights, if it is a Dense one, and how many numbers it takes."""
        shapes = self.input_shapes(input_shape)
        for name, layer, shape in zip(
            reversed(self.names), reversed(self.layers), reversed(shapes), strict=True
        ):
            if layer.parameter_shapes(shape):
                return (name, math.prod(shape)) if isinstance(layer, Dense) else None
        return None

    def new_network(self, input_shape: Shape, seed: int) -> _core.Network:
        """The engine's network of these layers, with its first weights."""
        from nncore import _core

        if not any(self.parameter_shapes(input_shape)):
            raise ValueError("no layer has weights to train: add Dense(number of classes)")
        self.check_values(input_shape)
        builder = _core.Builder(input_shape)
        self._append_to(builder, input_shape)
        return builder.build(seed)

    def new_probe(self, input_shape: Shape, layer: str) -> _core.Probe:
        """What looks at the output of one layer in a network of these layers.

        Raises
        ------
        ValueError
            No layer is called so, or it gives no image.
        """
        from nncore import _core

        builder = _core.Builder(input_shape, layer)
        self._append_to(builder, input_shape)
        return builder.build_probe()

    def last_convolution(self, input_shape: Shape) -> str | None:
        """See `nncore.layers.last_convolution`."""
        return last_convolution(self._with_shapes(input_shape))

    def _append_to(self, builder: _core.Builder, input_shape: Shape) -> None:
        for name, layer, shape in self._with_shapes(input_shape):
            layer.append_to(builder, name, shape)

    def _with_shapes(self, input_shape: Shape) -> list[tuple[str, Layer, Shape]]:
        """Name, description and input shape of each layer."""
        return [*zip(self.names, self.layers, self.input_shapes(input_shape), strict=True)]


def with_trainable(layer: Layer, trainable: bool) -> Layer:
    """`layer`, its weights trained or not; as it is where it has none.

    A batch normalization whose statistics are fixed keeps them: whoever trains a network further
    has too few images to measure them anew.
    """
    has_weights = any(field.name == "trainable" for field in dataclasses.fields(layer))  # type: ignore[arg-type]
    keeps = isinstance(layer, BatchNormalization) and not layer.trainable
    return dataclasses.replace(layer, trainable=trainable) if has_weights and not keeps else layer  # type: ignore[type-var]
