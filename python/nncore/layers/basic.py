"""Layers of rows of numbers and of any shape: Dense, Flatten, Activation, Dropout."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nncore.layers.activations import known_activation
from nncore.layers.base import Layer, Shape
from nncore.layers.kernels import KERNEL_FIELDS, KernelLayer
from nncore.regularizers import Regularizer

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class Dense(KernelLayer):
    """Every output is a weighted sum of all inputs: `activation(x @ kernel + bias)`.

    Parameters
    ----------
    units
        Number of outputs, at least 1. In the last layer: the number of classes.
    activation
        A name of `ACTIVATIONS`; None is "linear".
    use_bias
        Whether to add one trained number per output.
    kernel_initializer
        A name of `INITIALIZERS`; None follows the activation: "he_uniform" for relu, relu6,
        leaky_relu, gelu, silu and hard_swish, "glorot_uniform" for the others.
    trainable
        Whether the weights are trained. Below the lowest layer that is, a training step does
        nothing but the forward pass, and `fit` without augmentation does even that only once.
    kernel_regularizer
        A penalty such as `L2(1e-4)`, a number (of L2), or None.
    name
        Name in the summary, the weights and the model file; by default "dense", "dense_1", ...

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type; the message gives its value.
    """

    later_fields: ClassVar = KERNEL_FIELDS

    units: int
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: str | None = field(default=None, kw_only=True)
    kernel_regularizer: Regularizer | float | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)
    name: str | None = None

    def __post_init__(self) -> None:
        self._check_int("units", 1)
        super().__post_init__()

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

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_dense(
            name, self.units, str(self.activation), self.use_bias, **self._kernel_arguments()
        )


@dataclass(frozen=True)
class Flatten(Layer):
    """Rows of numbers from images: (H, W, C) becomes (H * W * C,), channels fastest."""

    name: str | None = None

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_flatten(name)

    def output_activation(self) -> str | None:
        return None


@dataclass(frozen=True)
class Activation(Layer):
    """An activation as a layer of its own; the shape stays. `activation` as in `ACTIVATIONS`."""

    activation: str
    name: str | None = None

    def __post_init__(self) -> None:
        self._set("activation", known_activation("Activation", self.activation))
        super().__post_init__()

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_activation(name, self.activation)

    def output_activation(self) -> str | None:
        return None if self.activation == "linear" else self.activation


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

    rate: float
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float):
            raise TypeError(f"Dropout: rate must be a number, not {self.rate!r}")
        if not 0.0 <= self.rate < 1.0:
            raise ValueError(f"Dropout: rate must be at least 0 and below 1, not {self.rate!r}")
        self._set("rate", float(self.rate))
        super().__post_init__()

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_dropout(name, self.rate)

    def output_activation(self) -> str | None:
        return None
