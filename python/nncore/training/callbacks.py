"""Hooks into `fit`, called between epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.training.model import Sequential

Logs = Mapping[str, float]


class Callback:
    """Base of the callbacks: override what is needed, pass instances to `fit(callbacks=...)`.

    `self.model` is the model in training, set before `on_train_begin`. A callback may read and set
    its weights, look at `self.model.history`, and end training after the epoch with
    `self.model.stop_training = True`. An exception that it raises ends `fit`.
    """

    model: Sequential

    def set_model(self, model: Sequential) -> None:
        """Called once by `fit`, first of all."""
        self.model = model

    def on_train_begin(self) -> None:
        """Called before the first epoch of a call of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Called after each finished epoch.

        Parameters
        ----------
        epoch
            Its number in the history, from 1.
        logs
            loss, accuracy and, with validation data, val_loss and val_accuracy.
        """

    def on_train_end(self) -> None:
        """Called when training ends: after the last epoch, or after Ctrl-C."""

    def on_train_error(self, error: BaseException) -> None:
        """Called instead of `on_train_end` when an error ends training, before it is raised.

        After a loss that is not finite the weights may be useless.
        """
