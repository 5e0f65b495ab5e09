"""Lowering the learning rate when training stands still."""

from __future__ import annotations

from collections.abc import Sequence

from nncore.arguments import check_int, check_number
from nncore.training.callbacks.base import Callback, Logs
from nncore.training.callbacks.monitor import Monitor
from nncore.training.history import epoch_logs


class ReduceLROnPlateau(Callback):
    """Multiply the learning rate by `factor` when there was no gain for a while; as Keras's.

    It multiplies what the optimizer's schedule gives (Keras's refuses optimizers with one), NaN
    never counts as gain, and a `monitor` that is not there is an error. In a `fit` that continues a
    history the earlier epochs count, with what they led to.

    Parameters
    ----------
    monitor
        "val_loss" (default), "val_accuracy", "loss" or "accuracy".
    factor
        Above 0 and below 1.
    patience
        Epochs without gain after which the learning rate falls.
    mode
        "auto", "min" or "max".
    min_delta
        By how much the number must become better to count.
    cooldown
        Epochs after a fall that are not counted.
    min_lr
        The learning rate does not fall below it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.monitor = Monitor("ReduceLROnPlateau", monitor, mode, min_delta)
        self.factor = check_number("ReduceLROnPlateau: factor", factor, above=0, below=1)
        self.patience = check_int("ReduceLROnPlateau: patience", patience, 0)
        self.cooldown = check_int("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lr = check_number("ReduceLROnPlateau: min_lr", min_lr, low=0)

    def check_before_training(self, log_names: Sequence[str]) -> None:
        self.monitor.check(log_names)

    def on_train_begin(self) -> None:
        self.monitor.reset()
        self.wait = self.cooling = 0
        for _, logs in epoch_logs(self.model.history):
            self._look(logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._look(logs)

    def _look(self, logs: Logs) -> None:
        if self.cooling > 0:
            self.cooling -= 1
            self.wait = 0
        if self.monitor.improved(logs):
            self.wait = 0
        elif self.cooling == 0:
            self.wait += 1
            rate = logs["learning_rate"]
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.learning_rate_factor *= max(rate * self.factor, self.min_lr) / rate
                self.cooling, self.wait = self.cooldown, 0
