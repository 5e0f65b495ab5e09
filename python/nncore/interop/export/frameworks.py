"""How frameworks name and shape the weights of one network.

nncore   "conv2d/kernel"; convolutions (kh, kw, in / groups, out), Dense (in, out)
keras    the same but for kernels of DepthwiseConv2D: (kh, kw, channels, multiplier)
torch    "conv2d.weight"; convolutions (out, in / groups, kh, kw), Linear (out, in); normalizations
         have weight, bias, running_mean and running_var. PyTorch flattens images channels first, so
         what stands behind a Flatten has its inputs in that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ExportError
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.export.operations import (
    Activate,
    Concatenate,
    Flatten,
    NormalizeChannels,
    Operation,
    Product,
    Scale,
    Value,
)
from nncore.interop.export.program import recorded
from nncore.layers import DepthwiseConv2D, Layer, Shape

FRAMEWORKS = ("nncore", "keras", "torch")
_TORCH_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Stands for the shape of an image where there is no order of PyTorch's.
MIXED: Shape = ()
# What keeps each number in its place.
_IN_ORDER = (Activate, NormalizeChannels, Scale)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a network, and how others write it.

    Attributes
    ----------
    name
        "dense/kernel".
    shape
        nncore's.
    multiplier
        Of a kernel of DepthwiseConv2D: output channels for each channel of the image; else None.
    image
        Shape (H, W, C) of the flattened image that the first axis runs over, None without one;
        `MIXED` where it was joined with a row of another order.
    """

    name: str
    shape: Shape
    multiplier: int | None = None
    image: Shape | None = None

    def name_in(self, framework: str) -> str:
        """What the framework calls it."""
        if framework != "torch":
            return self.name
        layer, _, short = self.name.rpartition("/")
        # A dot stands between a module and what is in it.
        module = layer.replace(".", "_").replace("/", ".")
        return f"{module}.{_TORCH_NAMES.get(short, short)}"

    def shape_in(self, framework: str) -> Shape:
        """The shape that the framework gives it."""
        # Of an array without memory of its own, however large.
        return self.written(np.broadcast_to(np.False_, self.shape), framework, moved=False).shape

    def written(self, value: NDArray[Any], framework: str, *, moved: bool = True) -> NDArray[Any]:
        """nncore's array as the framework has it; unless `moved`, only its shape is right.

        ExportError where PyTorch has no order for the inputs.
        """
        if framework == "keras" and self.multiplier is not None:
            return value.reshape(*self.shape[:2], -1, self.multiplier)
        if framework != "torch":
            return value
        if self.image is not None and moved:
            value = _with_first_axis(value, self._own_image(self.image), (2, 0, 1))
        return np.transpose(value, (3, 2, 0, 1) if value.ndim == 4 else None)

    def read(self, value: NDArray[Any], framework: str) -> NDArray[Any]:
        """Inverse of `written`."""
        if framework == "keras":
            return value.reshape(self.shape)
        if framework != "torch":
            return value
        value = np.transpose(value, (2, 3, 1, 0) if value.ndim == 4 else None)
        if self.image is not None:
            height, width, channels = self._own_image(self.image)
            value = _with_first_axis(value, (channels, height, width), (1, 2, 0))
        return value

    def _own_image(self, image: Shape) -> Shape:
        if image == MIXED:
            raise ExportError(
                f"{self.name}: its inputs are a flattened image joined with another row; PyTorch, "
                "where channels come first, has no such order"
            )
        return image


def parameters_of(network: TrainedNetwork) -> list[Parameter]:
    """All parameters in the order of the layers."""
    layers, shape = network.layers, network.input_shape
    images = dict(_images(recorded(layers, shape, network.weights)))
    described = zip(layers.names, layers.layers, layers.input_shapes(shape), strict=True)
    multipliers = dict(_multipliers(described))
    return [
        Parameter(name, value.shape, multipliers.get(name), images.get(name))
        for name, value in network.weights.items()
    ]


def _multipliers(layers: Iterable[tuple[str, Layer, Shape]]) -> Iterator[tuple[str, int]]:
    for name, layer, shape in layers:
        if isinstance(layer, DepthwiseConv2D):
            yield f"{name}/kernel", layer.depth_multiplier
        inner = layer.inner_layers(shape)
        yield from _multipliers((f"{name}/{within}", one, given) for within, one, given in inner)


def _images(operations: Sequence[Operation]) -> Iterator[tuple[str, Shape | None]]:
    """Of which image the first axis of a parameter is, where it is of one."""
    orders: dict[Value, Shape | None] = {}
    for operation in operations:
        given = [orders.get(value) for value in operation.inputs]
        order = given[0]
        if isinstance(operation, Flatten):
            height, width, channels = operation.input.shape
            if channels > 1 and height * width > 1:
                orders[operation.output] = operation.input.shape
        elif isinstance(operation, Product):
            yield f"{operation.layer}/kernel", order
        elif isinstance(operation, _IN_ORDER):
            orders[operation.output] = order
            for short in ("gamma", "beta", "moving_mean", "moving_variance"):
                yield f"{operation.layer}/{short}", order
        elif any(one is not None for one in given):
            is_alike = len(set(given)) == 1 and not isinstance(operation, Concatenate)
            orders[operation.output] = order if is_alike else MIXED


def _with_first_axis(value: NDArray[Any], image: Shape, axes: tuple[int, int, int]) -> NDArray[Any]:
    """The first axis, which runs over an image, in another order of the image's axes."""
    rest = value.shape[1:]
    split = value.reshape(*image, *rest).transpose(*axes, *range(3, 3 + len(rest)))
    return np.reshape(split, (-1, *rest))
