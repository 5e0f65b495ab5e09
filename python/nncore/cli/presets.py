"""The networks that `--model` names, each a function from its options to layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.layers import Layer

HIDDEN = (512,)


def mlp(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """Dense layers with ReLU, then one output per class.

    Dropout at the inputs and behind each hidden layer, at the rates of Srivastava et al. (2014):
    with some thousand images it is worth about a point of test accuracy, and it keeps the
    validation loss falling for as long as the accuracy rises.
    """
    from nncore.layers import Dense, Dropout, Flatten

    layers: list[Layer] = [Flatten(), Dropout(0.2)]
    for units in hidden:
        layers += [Dense(units, activation="relu"), Dropout(0.5)]
    return [*layers, Dense(classes)]


def linear(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """One Dense layer: softmax regression when trained with cross-entropy."""
    from nncore.layers import Dense, Flatten

    return [Flatten(), Dense(classes)]


def lenet(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """LeCun et al. (1998) with ReLU and max pooling; for images of about 28x28."""
    from nncore.layers import Conv2D, Dense, Flatten, MaxPool2D

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


def cnn(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """Two convolutions with pooling and one output layer; for images of 8x8 and more."""
    from nncore.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

    return [
        Conv2D(32, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Conv2D(64, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.4),
        Dense(classes),
    ]


PRESETS: Mapping[str, Callable[[int, Sequence[int]], list[Layer]]] = {
    "mlp": mlp,
    "linear": linear,
    "lenet": lenet,
    "cnn": cnn,
}
WITH_HIDDEN = frozenset(("mlp",))
# What `--augment` is where it is not given. Small moves and turns, without mirroring, suit letters
# as well as photos; convolutions gain by them at hardly any cost.
AUGMENT: Mapping[str, str] = {"cnn": "light", "lenet": "light"}
