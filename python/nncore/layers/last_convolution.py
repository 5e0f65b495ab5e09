"""Where a network still knows what stands where on an image: behind its last convolution."""

from __future__ import annotations

from collections.abc import Sequence

from nncore.layers.base import Layer, Shape
from nncore.layers.basic import Activation, Dropout
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.normalization import BatchNormalization, LayerNormalization
from nncore.layers.rescaling import Rescaling

# What belongs to the convolution before: it changes values, and neither where they are nor what
# stands beside them.
_FOLLOWERS = (Activation, BatchNormalization, Dropout, LayerNormalization, Rescaling)


def last_convolution(layers: Sequence[tuple[str, Layer, Shape]]) -> str | None:
    """Name of the layer that gives what the last convolution makes of an image.

    That is the convolution itself, or the last of the normalizations and activations right behind
    it; of a convolution in a block it is the block, whose output is what goes on. Convolutions that
    give a single pixel, as those that weigh channels do, do not count.

    Parameters
    ----------
    layers
        Name, description and input shape of each, one behind the other.

    Returns
    -------
    str or None
        None: there is no convolution.
    """
    for at in range(len(layers) - 1, -1, -1):
        name, layer, given = layers[at]
        if not _has_convolution(layer, given):
            continue
        if _has_places(layer.output_shape(given)):
            for follower, kind, _ in layers[at + 1 :]:
                if not isinstance(kind, _FOLLOWERS):
                    break
                name = follower
            return name
        # A block that ends in a row of numbers: each of its layers by itself, since those of one
        # branch do not follow those of another.
        for inner, part, shape in reversed([*layer.inner_layers(given)]):
            found = last_convolution([(f"{name}/{inner}", part, shape)])
            if found is not None:
                return found
    return None


def _has_places(shape: Shape) -> bool:
    return len(shape) == 3 and shape[0] * shape[1] > 1


def _has_convolution(layer: Layer, given: Shape) -> bool:
    return isinstance(layer, Conv2D | DepthwiseConv2D) or any(
        _has_convolution(inner, shape) for _, inner, shape in layer.inner_layers(given)
    )
