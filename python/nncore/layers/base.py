"""What every layer description is, and the checks that they share.

A description is a frozen dataclass and holds no number that is trained: the C++ core owns those.
Shapes leave the number of images N out: an image is (H, W, C), a row of numbers is (features,).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from nncore import _core

Shape = tuple[int, ...]

ACTIVATIONS: Mapping[str, str] = {
    "linear": "x",
    "relu": "max(x, 0)",
    "leaky_relu": "x where x > 0, else 0.2 * x",
    "gelu": "x * (1 + erf(x / sqrt(2))) / 2",
    "silu": "x / (1 + exp(-x))",
    "sigmoid": "1 / (1 + exp(-x))",
    "tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    "softmax": "exp(x) / (sum of exp(x) over the classes)",
}


class Layer(ABC):
    """Base of the descriptions; the concrete ones are frozen dataclasses with a field `name`."""

    default_name: ClassVar[str]
    # Fields that a description may lack, as those do that are older than the field. They are left
    # out of a description where they have their default, so that an older nncore can read it.
    later_fields: ClassVar[frozenset[str]] = frozenset()
    name: str | None

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one image's output; ValueError where `input_shape` does not suit the layer."""

    @abstractmethod
    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Shape of each parameter by its short name ("kernel", "bias"), in Keras's order."""

    @abstractmethod
    def add_to(self, network: _core.Network, name: str, input_shape: Shape) -> None:
        """Append this layer, whose input has that shape, to the engine's `network`."""

    def inner_layers(self, input_shape: Shape) -> Iterable[tuple[str, Layer, Shape]]:
        """Name, description and input shape of the layers that this one is made of; or nothing."""
        return ()

    def output_activation(self) -> str | None:
        """Name of the activation that ends this layer; None where prediction passes values on.

        "linear" unless a layer knows better: what stands last decides what the outputs are, and
        behind a softmax nothing but None leaves them probabilities.
        """
        return "linear"

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Layer:
        """The layer with the fields of `to_dict`, all of which are there."""
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready values; `layer_from_dict` reads it back.

        A field of `later_fields` that has its default is left out: then an older nncore, which
        does not know it, reads the file, too.
        """
        described: dict[str, Any] = {"type": type(self).__name__}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name in self.later_fields and value == field.default:
                continue
            described[field.name] = value.to_dict() if hasattr(value, "to_dict") else value
        return described


def set_field(layer: Layer, field: str, value: object) -> None:
    """Set a field in `__post_init__`, to its normalised value."""
    # The only way to normalise a field of a frozen dataclass in __post_init__.
    object.__setattr__(layer, field, value)


def known_activation(what: str, value: object) -> str:
    """The activation's name; None is "linear"."""
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise TypeError(f"{what}: activation must be a name, not {value!r}")
    if value not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"{what}: unknown activation {value!r}; known: {known}")
    return value


def check_name(what: str, name: object) -> None:
    """Refuse a layer name that could not name its tensors."""
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
