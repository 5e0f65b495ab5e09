"""The networks that `--model` names, as functions that give layers for images of some shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncore.layers.base import Layer, Shape
from nncore.layers.basic import Activation, Dense, Dropout, Flatten
from nncore.layers.convolution import Conv2D
from nncore.layers.normalization import BatchNormalization
from nncore.layers.pooling import GlobalAveragePool2D, MaxPool2D
from nncore.layers.residual import Residual

HIDDEN = (512,)
WIDTH = 16
# Of batch normalization: trainings here have some hundred to some thousand steps.
_MOMENTUM = 0.9
# Pooling goes on while it leaves so many pixels; tiny images are pooled once.
_SMALLEST_SIDE, _WORTH_A_POOL = 6, 8


def linear(classes: int) -> list[Layer]:
    """One Dense layer: softmax regression when trained with cross-entropy."""
    return [Flatten(), Dense(classes)]


def mlp(classes: int, hidden: Sequence[int] = HIDDEN) -> list[Layer]:
    """Dense layers with ReLU, then one output per class.

    Dropout at the inputs and behind each hidden layer, at the rates of Srivastava et al. (2014):
    with some thousand images it is worth about a point of test accuracy, and it keeps the
    validation loss falling for as long as the accuracy rises.
    """
    layers: list[Layer] = [Flatten(), Dropout(0.2)]
    for units in hidden:
        layers += [Dense(units, activation="relu"), Dropout(0.5)]
    return [*layers, Dense(classes)]


def lenet(classes: int) -> list[Layer]:
    """LeCun et al. (1998) with ReLU and max pooling; for images of about 28x28."""
    return [
        Conv2D(6, 5, padding=2, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(120, activation="relu"),
        Dense(84, activation="relu"),
        Dense(classes),
    ]


def cnn(classes: int) -> list[Layer]:
    """Two convolutions with pooling and one output layer; for images of 8x8 and more."""
    return [
        Conv2D(32, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Conv2D(64, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.4),
        Dense(classes),
    ]


def resnet(
    classes: int,
    image_shape: Shape,
    width: int = WIDTH,
    blocks: int = 1,
    stem_pool: bool = True,
) -> list[Layer]:
    """A small residual network for images of any size.

    A 3x3 convolution with `width` filters and a 2x2 max pool; then stages, each of a convolution
    with twice the filters of the last, a pool where the image is still large, and `blocks`
    residual blocks of two convolutions; a global average; one output per class. Each convolution
    is followed by batch normalization and ReLU, behind the pool where there is one: that costs a
    quarter of the work, and the maximum passes a normalization with positive gamma unchanged.

    Sources: He et al., "Deep Residual Learning for Image Recognition" (2016) for the blocks; the
    few wide stages are those of D. Page, "How to train your ResNet" (2018).

    Parameters
    ----------
    image_shape
        (H, W, C): the number of pools follows from the shorter side, so that the last stage works
        on 6 to 11 pixels (4 or 5 where the image has 8 to 11).
    width
        Filters of the first convolution; the work grows with its square.
    blocks
        Residual blocks per stage; 0 leaves a plain network.
    stem_pool
        Whether the first pool comes behind the first convolution. Otherwise each pool comes one
        convolution later: more than twice the work, and finer features.
    """
    side = min(image_shape[:2])
    pools = 1 if side >= _WORTH_A_POOL else 0
    while side >> pools >= 2 * _SMALLEST_SIDE:
        pools += 1
    layers = _convolution(width, pooled=stem_pool and pools > 0)
    for stage in range(1, max(pools, 1) + 1):
        filters = width * 2**stage
        layers += _convolution(filters, pooled=stage + int(stem_pool) <= pools)
        for _ in range(blocks):
            block = [*_convolution(filters, pooled=False), *_convolution(filters, pooled=False)]
            layers.append(Residual(block))
    return [*layers, GlobalAveragePool2D(), Dense(classes)]


def _convolution(filters: int, pooled: bool) -> list[Layer]:
    """Convolution, pool, batch normalization, ReLU."""
    layers: list[Layer] = [Conv2D(filters, 3, padding="same", use_bias=False)]
    if pooled:
        layers.append(MaxPool2D(2))
    return [*layers, BatchNormalization(momentum=_MOMENTUM), Activation("relu")]


BY_NAME: Mapping[str, Callable[[int], list[Layer]]] = {
    "linear": linear,
    "mlp": mlp,
    "lenet": lenet,
    "cnn": cnn,
}
"""Those that the number of classes alone decides on."""
