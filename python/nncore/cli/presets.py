"""The networks that `--model` names, each a function from its options to layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.layers import Layer

HIDDEN = (256, 128)


def mlp(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """Dense layers with ReLU, then one output per class."""
    from nncore.layers import Dense, Flatten

    return [Flatten(), *(Dense(units, activation="relu") for units in hidden), Dense(classes)]


def linear(classes: int, hidden: Sequence[int]) -> list[Layer]:
    """One Dense layer: softmax regression when trained with cross-entropy."""
    from nncore.layers import Dense, Flatten

    return [Flatten(), Dense(classes)]


PRESETS: Mapping[str, Callable[[int, Sequence[int]], list[Layer]]] = {"mlp": mlp, "linear": linear}
WITH_HIDDEN = frozenset(("mlp",))
