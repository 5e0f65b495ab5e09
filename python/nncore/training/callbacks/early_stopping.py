"""Ending training when it no longer helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.training.callbacks.base import Callback, Logs
from nncore.training.callbacks.monitor import Monitor
from nncore.training.history import epoch_logs


class EarlyStopping(Callback):
    """Stop when the monitored number has not become better for `patience` epochs; as Keras's.

    In a `fit` that continues a history the earlier epochs count, as if training had not stopped in
    between; only their weights are not there to return to.

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
        A value that the first epochs must beat, or None.
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
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta, baseline)
        self.patience = check_int("EarlyStopping: patience", patience, 0)
        self.start_from_epoch = check_int("EarlyStopping: start_from_epoch", start_from_epoch, 0)
        self.restore_best_weights = restore_best_weights
        self._begin()

    def _begin(self) -> None:
        self.monitor.reset()
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[NDArray[np.float32]] | None = None

    def check_before_training(self, log_names: Sequence[str]) -> None:
        self.monitor.check(log_names)

    def on_train_begin(self) -> None:
        self._begin()
        for epoch, logs in epoch_logs(self.model.history):
            self._look(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._look(epoch, logs) and self.restore_best_weights:
            self.best_weights = self.model.get_weights()
        if epoch > self.start_from_epoch and self.wait > 0 and self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self) -> None:
        if self.best_weights is not None:
            self.model.restore_weights(self.best_weights)

    def _look(self, epoch: int, logs: Logs) -> bool:
        if epoch <= self.start_from_epoch:
            return False
        if self.monitor.improved(logs):
            self.wait, self.best_epoch = 0, epoch
            return True
        self.wait += 1
        return False
