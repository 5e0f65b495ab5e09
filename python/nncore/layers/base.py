"""What every layer description is.

A description is a frozen dataclass and holds no number that is trained: the C++ core owns those.
Shapes leave the number of images N out: an image is (H, W, C), a row of numbers is (features,).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nncore.description import Description

if TYPE_CHECKING:
    from nncore import _core

Shape = tuple[int, ...]


class Layer(Description, family="layer type"):
    """Base of the layers; the concrete ones are frozen dataclasses with a field `name`.

    A kind of its own needs `output_shape` and `add_to`; the other methods where the answer here is
    not the right one. Files with it can be read wherever its class has been imported.

    Attributes
    ----------
    default_name : str
        What layers without a name are called: the class's in small letters, as in Keras
        (`MaxPool2D`: "max_pool2d").
    """

    default_name: ClassVar[str]
    name: str | None
    # Layers with weights have a field of that name: whether these are trained.
    trainable: bool = True

    def __init_subclass__(cls, *, family: str | None = None, kind: bool = True) -> None:
        super().__init_subclass__(family=family, kind=kind)
        if "default_name" not in vars(cls):
            words = re.sub(r"(?<=.)([A-Z][a-z]+)|(?<=[a-z])([A-Z])", r"_\1\2", cls.__name__)
            cls.default_name = words.lower()

    def __post_init__(self) -> None:
        check_name(type(self).__name__, self.name)
        self._check_flag("trainable")

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one image's output; ValueError where `input_shape` does not suit the layer."""

    @abstractmethod
    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        """Append this layer, whose input has that shape, to the engine's `network`.

        Of several stages the last one has the name, the others ones that begin with it:
        "name/scale".
        """

    def append_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        """`add_to`, trained or not as this layer and the blocks around it say."""
        outside = network.trainable
        network.trainable = outside and self.trainable
        self.add_to(network, name, input_shape)
        network.trainable = outside

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Shape of each parameter by its short name ("kernel", "bias"), in Keras's order.

        Those of inner layers are called "conv2d/kernel".
        """
        return {
            f"{name}/{parameter}": shape
            for name, layer, given in self.inner_layers(input_shape)
            for parameter, shape in layer.parameter_shapes(given).items()
        }

    def inner_layers(self, input_shape: Shape) -> Iterable[tuple[str, Layer, Shape]]:
        """Name, description and input shape of the layers that this one is made of; or nothing."""
        return ()

    def output_activation(self) -> str | None:
        """Name of the activation that ends this layer; None where prediction passes values on.

        "linear" unless a layer knows better: what stands last decides what the outputs are, and
        behind a softmax nothing but None leaves them probabilities.
        """
        return "linear"


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
