"""Going on with a training that was stopped, however it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset
    from nncore.training.history import History
    from nncore.training.model import Sequential


def fit_rest(
    model: Sequential,
    train: ImageDataset,
    history: History | None,
    *,
    epochs: int,
    first: int = 0,
    **arguments: Any,
) -> History:
    """`fit` for those epochs that are left of so many, of which `history` has all behind `first`.

    Where none is left, or a callback had ended the training, only the best weights are returned to.
    `model` is as `load_checkpoint` gives it; without a history all epochs are left.
    """
    if history is None:
        return model.fit(train, epochs=epochs, **arguments)
    left = first + epochs - len(history)
    if left > 0 and not model.stop_training:
        return model.fit(train, epochs=left, history=history, **arguments)
    if model.best_weights:
        model.restore_weights(model.best_weights)
    model.best_weights = []
    return history


def seconds_spent(model: Sequential) -> float:
    """How long `model` was trained, the epoch in progress included."""
    finished = 0.0 if model.history is None else sum(model.history.seconds)
    return finished + model._position.seconds
