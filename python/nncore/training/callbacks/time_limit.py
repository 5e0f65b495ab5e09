"""Ending training in time."""

from __future__ import annotations

import time

from nncore.arguments import check_number
from nncore.training.callbacks.base import Callback, Logs


class TimeLimit(Callback):
    """Stop when a further epoch would not be finished within `minutes` of this call of `fit`.

    It ends between epochs, by the length of the longest so far. If an epoch takes longer than that
    suggests, training ends within it, as after Ctrl-C: that epoch does not count.

    Parameters
    ----------
    minutes
        Above 0; a fraction is fine.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes = check_number("TimeLimit: minutes", minutes, above=0)

    def on_train_begin(self) -> None:
        self.begun = self.epoch_begun = time.monotonic()
        self.longest = 0.0

    def on_block_end(self) -> None:
        if time.monotonic() - self.begun >= 60 * self.minutes:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self.epoch_begun)
        self.epoch_begun = now
        if now - self.begun + self.longest >= 60 * self.minutes:
            self.model.stop_training = True
