"""Several callbacks as one, as `fit` calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from nncore.distributed import world
from nncore.process.team import alone
from nncore.training.callbacks.base import Callback, FitSize, Logs, ModelInTraining
from nncore.training.history import History, log_names


def listed_callbacks(callbacks: Sequence[Callback] | Callback) -> tuple[Callback, ...]:
    """Those that are given as a list, or the one that is given without.

    Raises
    ------
    TypeError
        It is no list of `Callback` objects.
    """
    given = (callbacks,) if isinstance(callbacks, Callback) else callbacks
    if isinstance(given, Iterable) and not isinstance(given, str):
        found = tuple(given)
        if all(isinstance(one, Callback) for one in found):
            return found
    raise TypeError(f"callbacks must be Callback objects, as a list, not {callbacks!r}")


class CallbackList(Callback):
    """Calls each of `callbacks`, in their order; as Keras's.

    While one of them is called no team is at work: what it asks a model for, it alone may ask.

    Raises
    ------
    TypeError
        One of them is no `Callback`.
    """

    def __init__(self, callbacks: Sequence[Callback] | Callback) -> None:
        self.callbacks = listed_callbacks(callbacks)

    @classmethod
    def checked(
        cls,
        callbacks: Sequence[Callback] | Callback,
        validated: bool,
        history: History | None,
    ) -> CallbackList:
        """The callbacks of a `fit` that is about to begin, asked whether they can do their part.

        In other processes than the first, without those that are for it alone.
        """
        hooks = cls(callbacks)
        if not world().first:
            hooks = cls([one for one in hooks.callbacks if not one.for_first_process])
        hooks.check_before_training(log_names(validated, history))
        return hooks

    def check_before_training(self, log_names: Sequence[str]) -> None:
        for callback in self.callbacks:
            callback.check_before_training(log_names)

    def set_model(self, model: ModelInTraining) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_size(self, size: FitSize) -> None:
        for callback in self.callbacks:
            callback.set_size(size)

    def on_train_begin(self) -> None:
        self._each(lambda one: one.on_train_begin())

    def on_block_end(self) -> None:
        self._each(lambda one: one.on_block_end())

    def on_steps_end(self, epoch: int, steps: int, loss: float) -> None:
        self._each(lambda one: one.on_steps_end(epoch, steps, loss))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._each(lambda one: one.on_epoch_end(epoch, logs))

    def on_train_end(self) -> None:
        self._each(lambda one: one.on_train_end())

    def on_train_error(self, error: BaseException) -> None:
        self._each(lambda one: one.on_train_error(error))

    def _each(self, call: Callable[[Callback], None]) -> None:
        if not self.callbacks:
            return
        with alone():
            for callback in self.callbacks:
                call(callback)
