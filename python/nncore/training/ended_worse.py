"""Whether a training led nowhere, though nothing in it became infinite; and what to try."""

from __future__ import annotations

import math

from nncore.process.standard_error import STANDARD_ERROR
from nncore.training.history import History

# The first batch alone says where the loss began: what is less than this above it may be chance.
_WORSE = 1.05
_WORSE_AFTER_ONE_EPOCH = 2.0  # whose mean has all that was wrong at the beginning in it


def ended_worse(history: History) -> str | None:
    """What to tell of a training whose loss ended above where it began; None of all others."""
    losses = history.history["loss"]
    if not losses or not history.iteration_loss:
        return None
    begun, ended = history.iteration_loss[0], losses[-1]
    limit = _WORSE if len(losses) > 1 else _WORSE_AFTER_ONE_EPOCH
    if not (math.isfinite(begun) and ended > limit * begun and begun > 0):
        return None
    rates = [rate for rate in history.learning_rate if math.isfinite(rate)]
    advice = "the learning rate is probably too high; try a tenth of it"
    if rates:
        highest = max(rates)
        advice = (
            f"the learning rate, {highest:.3g} at its highest, is probably too high; "
            f"try {highest / 10:.2g}"
        )
    return (
        f"training led nowhere: its loss began at {begun:.4g} and ended at {ended:.4g}; {advice}, "
        "or look for one with lr-find (nn.lr_find in Python)"
    )


def warn_if_ended_worse(history: History | None) -> None:
    """Say so on standard error."""
    note = None if history is None else ended_worse(history)
    if note is not None:
        print(f"nncore: warning: {note}", file=STANDARD_ERROR, flush=True)
