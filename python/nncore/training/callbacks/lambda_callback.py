"""Functions as a callback."""

from __future__ import annotations

from collections.abc import Callable

from nncore.training.callbacks.base import Callback, Logs


class LambdaCallback(Callback):
    """Functions instead of a class; as Keras's.

    Epochs count from 1, and there are no logs at the beginning and at the end.

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
