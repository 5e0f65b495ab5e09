"""The losses by name. The arithmetic is in the C++ core; here are the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nncore._core import LossName

LOSSES: Mapping[str, str] = {
    "mse": "mean over the batch of each image's sum over the classes of (y - y')^2",
    "sse": "sum over the batch of the same squares; its gradient grows with the batch",
    "cross_entropy": "mean over the batch of -log softmax(y') at the true class",
    "focal": "mean over the batch of -(1 - p)^2 log p, where p = softmax(y') at the true class",
}
"""Known losses and what they compute.

`focal` (Lin et al., 2017, with gamma 2) is cross-entropy in which images that are already
classified well count little, so that rare classes and hard images count more. `mse` does not divide
by the number of classes, as some frameworks do. Reports and the history show `sse` per image, so
that batches, training and validation compare.
"""


# Those that take logits and whose outputs are therefore probabilities after a softmax.
SOFTMAX_LOSSES = frozenset(("cross_entropy", "focal"))

_OF_KERAS = ("categorical_crossentropy", "sparse_categorical_crossentropy")


def check_loss(name: object) -> LossName:
    """`name` itself when it is a known loss.

    Raises
    ------
    ValueError
        It is not; the message lists the known ones.
    TypeError
        It is not a text.
    """
    if not isinstance(name, str):
        raise TypeError(f"loss must be a name, not {name!r}; known: {', '.join(LOSSES)}")
    if name in _OF_KERAS:
        raise ValueError(
            f"unknown loss {name!r}: here it is 'cross_entropy', for labels as numbers and one-hot"
        )
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    return cast("LossName", name)
