"""Layers, described: what a layer is called, what it is made of and the shapes that follow.

A description is a frozen dataclass and holds no number that is trained: the C++ core owns those.
Shapes leave the number of images N out: an image is (H, W, C), a row of numbers is (features,).

A further kind of layer is one more dataclass here that fills in the four methods of `Layer`, plus
its entry in `LAYER_KINDS`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nncore.arguments import check_int

if TYPE_CHECKING:
    from nncore import _core

Shape = tuple[int, ...]

ACTIVATIONS: Mapping[str, str] = {
    "linear": "x",
    "relu": "max(x, 0)",
    "sigmoid": "1 / (1 + exp(-x))",
    "tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    "softmax": "exp(x) / (sum of exp(x) over the classes)",
}


class Layer(ABC):
    """Base of the descriptions; the concrete ones are frozen dataclasses with a field `name`."""

    default_name: ClassVar[str]
    name: str | None

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one image's output; ValueError where `input_shape` does not suit the layer."""

    @abstractmethod
    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Shape of each trained array by its short name ("kernel", "bias"), in Keras's order."""

    @abstractmethod
    def add_to(self, network: _core.Network, name: str) -> None:
        """Append this layer to the engine's `network` under `name`."""

    def output_activation(self) -> str | None:
        """Name of the activation that ends this layer; None where the layer passes values on."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready values; `layer_from_dict` reads it back."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {"type": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields}


@dataclass(frozen=True)
class Dense(Layer):
    """Every output is a weighted sum of all inputs: `activation(x @ kernel + bias)`.

    Parameters
    ----------
    units
        Number of outputs, at least 1. In the last layer: the number of classes.
    activation
        A name of `ACTIVATIONS`; None is "linear".
    use_bias
        Whether to add one trained number per output.
    name
        Name in the summary, the weights and the model file; by default "dense", "dense_1", ...

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type; the message gives its value.
    """

    default_name: ClassVar[str] = "dense"

    units: int
    activation: str | None = None
    use_bias: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        _set(self, "units", check_int("Dense: units", self.units, 1))
        _set(self, "activation", _known_activation("Dense", self.activation))
        if not isinstance(self.use_bias, bool):
            raise TypeError(f"Dense: use_bias must be True or False, not {self.use_bias!r}")
        _check_name("Dense", self.name)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(
                f"Dense takes a row of numbers, not inputs of shape {input_shape}; "
                "put Flatten() before it"
            )
        return (self.units,)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"kernel": (input_shape[0], self.units)}
        if self.use_bias:
            shapes["bias"] = (self.units,)
        return shapes

    def add_to(self, network: _core.Network, name: str) -> None:
        network.add_dense(name, self.units, str(self.activation), self.use_bias)

    def output_activation(self) -> str | None:
        return self.activation


@dataclass(frozen=True)
class Flatten(Layer):
    """Rows of numbers from images: (H, W, C) becomes (H * W * C,), channels fastest."""

    default_name: ClassVar[str] = "flatten"

    name: str | None = None

    def __post_init__(self) -> None:
        _check_name("Flatten", self.name)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {}

    def add_to(self, network: _core.Network, name: str) -> None:
        network.add_flatten(name)


@dataclass(frozen=True)
class Activation(Layer):
    """An activation as a layer of its own; the shape stays. `activation` as in `ACTIVATIONS`."""

    default_name: ClassVar[str] = "activation"

    activation: str
    name: str | None = None

    def __post_init__(self) -> None:
        _set(self, "activation", _known_activation("Activation", self.activation))
        _check_name("Activation", self.name)

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {}

    def add_to(self, network: _core.Network, name: str) -> None:
        network.add_activation(name, self.activation)

    def output_activation(self) -> str | None:
        return self.activation


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each value becomes 0 with probability `rate`; the others grow to make up for it.

    The survivors are divided by ``1 - rate``, so that prediction needs no change. The draws depend
    on the seed, the epoch, the image and the value's place alone: not on batches or threads.
    Source: Srivastava et al., "Dropout", JMLR 15, 2014 (here in its inverted form).

    Parameters
    ----------
    rate
        Share of the values that is dropped, at least 0 and below 1 (in steps of 1/65536).
    """

    default_name: ClassVar[str] = "dropout"

    rate: float
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float):
            raise TypeError(f"Dropout: rate must be a number, not {self.rate!r}")
        if not 0.0 <= self.rate < 1.0:
            raise ValueError(f"Dropout: rate must be at least 0 and below 1, not {self.rate!r}")
        _set(self, "rate", float(self.rate))
        _check_name("Dropout", self.name)

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {}

    def add_to(self, network: _core.Network, name: str) -> None:
        network.add_dropout(name, self.rate)


LAYER_KINDS: Mapping[str, type[Layer]] = {
    kind.__name__: kind for kind in (Dense, Flatten, Activation, Dropout)
}


def layer_from_dict(description: Mapping[str, Any]) -> Layer:
    """The layer that `Layer.to_dict` described.

    Raises
    ------
    ValueError, TypeError
        The type is not in `LAYER_KINDS`, or a field is missing, unknown or invalid.
    """
    fields = dict(description)
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind not in LAYER_KINDS:
        raise ValueError(f"unknown layer type {kind!r}; known: {', '.join(LAYER_KINDS)}")
    known = {f.name for f in dataclasses.fields(LAYER_KINDS[kind])}  # type: ignore[arg-type]
    if fields.keys() != known:
        raise ValueError(f"layer {kind} must have the fields {sorted(known)}, not {sorted(fields)}")
    return LAYER_KINDS[kind](**fields)


def unique_names(layers: Sequence[Layer]) -> list[str]:
    """A name per layer: its own, or its kind's with a number: "dense", "dense_1", "dense_2".

    Raises
    ------
    ValueError
        Two layers were given the same name.
    """
    given = [layer.name for layer in layers if layer.name is not None]
    taken = set(given)
    if len(taken) < len(given):
        twice = sorted({name for name in given if given.count(name) > 1})
        raise ValueError(f"two layers have the same name: {', '.join(twice)}")
    names = []
    for layer in layers:
        name, number = layer.name, 0
        while name is None or (layer.name is None and name in taken):
            name = layer.default_name + (f"_{number}" if number else "")
            number += 1
        taken.add(name)
        names.append(name)
    return names


def _set(layer: Layer, field: str, value: object) -> None:
    # The only way to normalise a field of a frozen dataclass in __post_init__.
    object.__setattr__(layer, field, value)


def _known_activation(what: str, value: object) -> str:
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise TypeError(f"{what}: activation must be a name, not {value!r}")
    if value not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"{what}: unknown activation {value!r}; known: {known}")
    return value


def _check_name(what: str, name: object) -> None:
    if name is None:
        return
    if not isinstance(name, str):
        raise TypeError(f"{what}: name must be a text, not {name!r}")
    # Tensors are called "<layer>/<parameter>", so a slash would make a name ambiguous.
    if not name or "/" in name or name != name.strip() or not name.isprintable():
        raise ValueError(
            f"{what}: name {name!r} must not be empty, hold '/' or control characters, "
            "or begin or end with a space"
        )
