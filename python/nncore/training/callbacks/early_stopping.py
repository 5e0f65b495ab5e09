"""Ending training when it no longer helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, check_number
from nncore.training.callbacks.base import Callback, Logs
from nncore.training.callbacks.monitor import Monitor
from nncore.training.history import epoch_logs


class EarlyStopping(Callback):
    """Stop when the monitored number has not become better for `patience` epochs; as Keras's.

    In a `fit` that continues a history the earlier epochs count, as if training had not stopped in
    between. Their weights are not there to return to: if none of this call's epochs is better, the
    weights at the end are those of the best of these.

    As Keras documents it, with a `baseline` that is never reached training takes `patience` epochs
    and ends, with `restore_best_weights`, with the weights of the best of them. (Keras's code lets
    it go on for as long as each epoch is better than the ones before.) NaN never counts as gain,
    not even in the first epoch, and a `monitor` that is not there is an error.

    Parameters
    ----------
    monitor
        "val_loss" (default), "val_accuracy", "loss" or "accuracy".
    min_delta
        By how much it must become better to count.
    patience
        Epochs without gain after which training ends; 0 ends at the first.
    mode
        "auto", "min" or "max".
    baseline
        A value that must be beaten, too, for an epoch to count as gain; or None.
    restore_best_weights
        At the end, return to the weights of the best epoch.
    start_from_epoch
        Epochs at the beginning that are not looked at.

    Attributes
    ----------
    stopped_epoch : int
        The epoch after which this ended training, 0 if it did not.
    best_epoch : int
        The best epoch so far, 0 before there is one.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        if baseline is not None:
            baseline = check_number("EarlyStopping: baseline", baseline)
        self.baseline = baseline
        self.patience = check_int("EarlyStopping: patience", patience, 0)
        self.start_from_epoch = check_int("EarlyStopping: start_from_epoch", start_from_epoch, 0)
        self.restore_best_weights = restore_best_weights
        self._begin()

    def _begin(self) -> None:
        self.monitor.reset()
        self._best_kept: float | None = None  # of the epoch whose weights are kept
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[NDArray[np.float32]] | None = None

    def check_before_training(self, log_names: Sequence[str]) -> None:
        self.monitor.check(log_names)

    def on_train_begin(self) -> None:
        self._begin()
        for epoch, logs in epoch_logs(self.model.history):
            self._look(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        better = self._look(epoch, logs)
        if epoch <= self.start_from_epoch:
            return
        if self.restore_best_weights and (better or self._is_best_of_this_call(logs)):
            self._best_kept = self.monitor.value(logs)
            self.best_weights = self.model.get_weights()
        if self.wait > 0 and self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self) -> None:
        if self.best_weights is not None:
            self.model.restore_weights(self.best_weights)

    def _look(self, epoch: int, logs: Logs) -> bool:
        """Count an epoch; whether it is the best so far."""
        if epoch <= self.start_from_epoch:
            return False
        self.wait += 1
        better = self.monitor.improved(logs)
        if better:
            self.best_epoch = epoch
            if self.baseline is None or self.monitor.beats(self.monitor.value(logs), self.baseline):
                self.wait = 0
        return better

    def _is_best_of_this_call(self, logs: Logs) -> bool:
        return self.monitor.beats(self.monitor.value(logs), self._best_kept)
