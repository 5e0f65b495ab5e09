"""Hooks into `fit`, called between epochs and between blocks of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    def on_block_end(self) -> None:
        """Called within an epoch about every twentieth of a second, between two training steps.

        When it sets `self.model.stop_training`, training ends there as it does after Ctrl-C: the
        epoch in progress does not count, and a further `fit` can take it up.
        """

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Called after each finished epoch.

        Parameters
        ----------
        epoch
            Its number in the history, from 1.
        logs
            loss, accuracy, with validation data val_loss and val_accuracy, and learning_rate (of
            the epoch's last step).
        """

    def on_train_end(self) -> None:
        """Called when training ends: after the last epoch, or after Ctrl-C."""

    def on_train_error(self, error: BaseException) -> None:
        """Called instead of `on_train_end` when an error ends training, before it is raised.

        After a loss that is not finite the weights may be useless.
        """


class LambdaCallback(Callback):
    """Functions instead of a class; as Keras's.

    Parameters
    ----------
    on_train_begin, on_epoch_end, on_train_end
        Called with the arguments of the `Callback` method of that name, or None.
    """

    def __init__(
        self,
        on_epoch_end: Callable[[int, Logs], object] | None = None,
        on_train_begin: Callable[[], object] | None = None,
        on_train_end: Callable[[], object] | None = None,
    ) -> None:
        for function in (on_epoch_end, on_train_begin, on_train_end):
            if function is not None and not callable(function):
                raise TypeError(f"LambdaCallback: {function!r} is no function")
        self._begin, self._epoch, self._end = on_train_begin, on_epoch_end, on_train_end

    def on_train_begin(self) -> None:
        if self._begin is not None:
            self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._epoch is not None:
            self._epoch(epoch, logs)

    def on_train_end(self) -> None:
        if self._end is not None:
            self._end()
