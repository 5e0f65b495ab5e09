"""What `model.layers` lists: one layer of a model, with its numbers to read and set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.layers import Layer, Shape

if TYPE_CHECKING:
    from nncore import _core

F32 = NDArray[np.float32]


def _parameter(short: str, doc: str) -> property:
    """A property that reads and sets one parameter of a layer."""

    def read(view: LayerView) -> F32:
        return view._network().get_parameter(view._full_name(short))

    def write(view: LayerView, value: ArrayLike) -> None:
        set_parameter(view._network(), view._full_name(short), value)

    return property(read, write, doc=doc)


def _gradient(short: str) -> property:
    """A property that reads the gradient of one parameter."""

    def read(view: LayerView) -> F32:
        return view._network().get_gradient(view._full_name(short))

    doc = f"Gradient of `{short}` from the last `compute_gradients`, in its shape."
    return property(read, doc=doc)


class LayerView:
    """A layer inside a model. Arrays are float32 copies in their natural shape.

    Attributes
    ----------
    name : str
        Unique in the model.
    description : Layer
        The frozen description, such as `Dense(units=10, ...)`.

    A Dense layer's `kernel` is (in, out) and its `bias` (out,). Assigning sets the weights of the
    network: `model.layers[1].kernel = array`. Layers without the asked parameter raise
    AttributeError; parameters of a model that is not built yet raise ValueError.
    """

    def __init__(
        self,
        network: Callable[[], _core.Network],
        name: str,
        description: Layer,
        input_shape: Shape | None,
    ) -> None:
        # Asked each time: the model may be built anew.
        self._network = network
        self.name = name
        self.description = description
        self._input_shape = input_shape

    def __repr__(self) -> str:
        return f"<layer {self.name!r}: {self.description}>"

    @property
    def input_shape(self) -> Shape | None:
        """Shape of one image's input, without N; None before `build`."""
        return self._input_shape

    @property
    def output_shape(self) -> Shape:
        """Shape of one image's output, without N."""
        return self._network().layer_output_shape(self.name)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The parameters that this layer has, such as ("kernel", "bias")."""
        names = (full.rpartition("/") for full in self._network().parameter_names())
        return tuple(short for layer, _, short in names if layer == self.name)

    @property
    def layers(self) -> list[LayerView]:
        """The layers inside a block such as `Residual` of a model that is built, branch by branch:
        of a `Residual` those of the shortcut come last. Empty for other layers."""
        if self._input_shape is None:
            return []
        return [
            LayerView(self._network, f"{self.name}/{name}", layer, shape)
            for name, layer, shape in self.description.inner_layers(self._input_shape)
        ]

    kernel = _parameter("kernel", "The weights; Dense: (in, out), Conv2D: (kh, kw, in, out).")
    bias = _parameter("bias", "One number per output, (out,).")
    gamma = _parameter("gamma", "What a normalization multiplies by, (channels,).")
    beta = _parameter("beta", "What a normalization adds, (channels,).")
    moving_mean = _parameter("moving_mean", "Of a BatchNormalization, measured in training.")
    moving_variance = _parameter("moving_variance", "As `moving_mean`.")
    kernel_gradient = _gradient("kernel")
    bias_gradient = _gradient("bias")
    gamma_gradient = _gradient("gamma")
    beta_gradient = _gradient("beta")

    def _full_name(self, short: str) -> str:
        if short not in self.parameter_names:
            has = ", ".join(self.parameter_names) or "no parameters"
            raise AttributeError(f"layer {self.name!r} has no {short}; it has: {has}")
        return f"{self.name}/{short}"


def set_parameter(network: _core.Network, name: str, value: ArrayLike) -> None:
    """Set one parameter of the engine from anything array-like, copied and cast to float32.

    Raises
    ------
    TypeError
        Not real numbers.
    ValueError
        The wrong shape, or NaN or an infinite value; nothing is changed.
    """
    array = as_parameter(value, network.get_parameter(name).shape, name)
    network.set_parameter(name, array)


def as_parameter(value: ArrayLike, shape: Shape, name: str) -> F32:
    """`value` as a float32 array of just this shape, or an error that says what is wrong."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be numbers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {shape}, not {array.shape}")
    with np.errstate(over="ignore"):
        result: F32 = np.array(array, dtype=np.float32, order="C")
    if not np.isfinite(result).all():
        raise ValueError(f"{name}: NaN and infinite values (as float32) are not allowed")
    return result
