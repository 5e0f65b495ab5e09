"""EfficientNet-Lite: networks for photos whose weights others have trained on ImageNet.

Source: Tan and Le, "EfficientNet", ICML 2019; the Lite variants by R. Liu, "Higher accuracy on
vision models with EfficientNet-Lite", TensorFlow blog, 2020: no squeeze-and-excite, ReLU6, and a
stem and a head that do not grow. Batch normalization is not among the layers: its statistics are
frozen, so that it is part of the weights of the convolution before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nncore.layers.base import Layer
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.pooling import GlobalAveragePool2D
from nncore.layers.residual import Residual


@dataclass(frozen=True)
class Variant:
    """One size of the family: factors of width and depth, side of the images in pixels."""

    width: float
    depth: float
    size: int


VARIANTS = {
    "efficientnet-lite0": Variant(1.0, 1.0, 224),
    "efficientnet-lite1": Variant(1.0, 1.1, 240),
    "efficientnet-lite2": Variant(1.1, 1.2, 260),
}
STEM, HEAD = 32, 1280
# Expansion, filters, blocks, stride of the first block, side of the kernel.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_ACTIVATION = "relu6"


def efficientnet_lite(variant: Variant) -> list[Layer]:
    """The layers up to the features, which are HEAD numbers for each image.

    Blocks that keep the shape are `Residual` layers "block1", "block2", ... with the inner layers
    "expand", "depthwise" and "project"; of other blocks these are layers "block0_depthwise" and so
    on.
    """
    layers: list[Layer] = [_conv("stem", STEM, 3, 2)]
    channels, number = STEM, 0
    for place, (expansion, filters, blocks, stride, kernel) in enumerate(_STAGES):
        filters = _rounded(filters * variant.width)
        # The first and the last stage do not grow deeper in the Lite variants.
        if place not in (0, len(_STAGES) - 1):
            blocks = math.ceil(blocks * variant.depth)
        for block in range(blocks):
            step = stride if block == 0 else 1
            keeps_shape = step == 1 and channels == filters
            prefix = "" if keeps_shape else f"block{number}_"
            inner = _block(prefix, channels * expansion, filters, step, kernel, expansion > 1)
            layers += [Residual(inner, name=f"block{number}")] if keeps_shape else inner
            channels, number = filters, number + 1
    return [*layers, _conv("head", HEAD, 1), GlobalAveragePool2D(name="features")]


def _block(
    prefix: str, expanded: int, filters: int, stride: int, kernel: int, expands: bool
) -> list[Layer]:
    """An inverted residual block without its sum (Sandler et al., "MobileNetV2", 2018)."""
    layers: list[Layer] = [_conv(f"{prefix}expand", expanded, 1)] if expands else []
    depthwise = DepthwiseConv2D(
        kernel, stride, "same", activation=_ACTIVATION, name=f"{prefix}depthwise"
    )
    project = Conv2D(filters, 1, name=f"{prefix}project")
    return [*layers, depthwise, project]


def _conv(name: str, filters: int, kernel: int, stride: int = 1) -> Layer:
    return Conv2D(filters, kernel, stride, "same", activation=_ACTIVATION, name=name)


def _rounded(filters: float) -> int:
    """To a multiple of 8, but by no more than a tenth downwards, as the authors do it."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
