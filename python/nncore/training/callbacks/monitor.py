"""Watching one number of each epoch: whether it got better."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping

from nncore.arguments import check_number

MODES = ("auto", "min", "max")


class Monitor:
    """The best value of one entry of the logs so far.

    Parameters
    ----------
    owner
        Who watches, for messages.
    monitor
        Key of the logs, such as "val_loss".
    mode
        "min", "max", or "auto": max for accuracies, min for all else.
    min_delta
        By how much a value must be better to count.

    Attributes
    ----------
    best : float or None
        None before the first value.
    """

    def __init__(
        self,
        owner: str,
        monitor: str,
        mode: str = "auto",
        min_delta: float = 0.0,
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"{owner}: monitor must be a name such as 'val_loss', not {monitor!r}")
        if mode not in MODES:
            raise ValueError(f"{owner}: mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.owner, self.monitor = owner, monitor
        self.maximize = mode == "max" or (mode == "auto" and monitor.endswith("accuracy"))
        self.min_delta = check_number(f"{owner}: min_delta", min_delta, low=0)
        self.best: float | None = None

    def reset(self) -> None:
        """Forget all values."""
        self.best = None

    def check(self, names: Collection[str]) -> None:
        """ValueError that lists the names of the logs if what is watched is none of them."""
        if self.monitor in names:
            return
        validated = "val_loss" in names
        hint = "" if validated or self.monitor[:4] != "val_" else " (fit has no validation_data)"
        near = difflib.get_close_matches(self.monitor, names, 1)
        raise ValueError(
            f"{self.owner}: there is no {self.monitor!r} to monitor{hint}; there are: "
            f"{', '.join(names)}" + (f"; is {near[0]!r} meant?" if near else "")
        )

    def value(self, logs: Mapping[str, float]) -> float:
        """The watched number; ValueError as in `check`."""
        self.check(logs)
        return logs[self.monitor]

    def improved(self, logs: Mapping[str, float]) -> bool:
        """Take the value of one epoch; True if it is better than the best so far. NaN never is."""
        value = self.value(logs)
        if not self.beats(value, self.best):
            return False
        self.best = value
        return True

    def beats(self, value: float, limit: float | None) -> bool:
        """Whether a value is better than `limit` by more than `min_delta`; None is no limit."""
        if limit is None:
            return not math.isnan(value)
        return (value - limit if self.maximize else limit - value) > self.min_delta
