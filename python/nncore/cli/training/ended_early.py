"""What is told of a training that ended before its last epoch without anybody stopping it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore.cli.output import count

if TYPE_CHECKING:
    from nncore.cli.training.plan import Plan
    from nncore.training.history import History
    from nncore.training.settings import TrainingSettings

_OUT_OF_TIME = ": another one would not have been finished in time (--max-minutes)"


def ended_early(plan: Plan, history: History) -> list[str]:
    """A line for each step of the training that ended early, and why: on a backbone there are two,
    of the head alone and then of the layers below it, too."""
    training, stopped = plan.training, not plan.model.interrupted
    stage, last = plan.model._position.stage, len(history)
    epochs, fine_tune = training.epochs or 0, training.fine_tune or 0
    if stage is None:
        if not (stopped and 0 < last < epochs):
            return []
        return [f"stopped early at epoch {last} of {epochs}{_why(training, history, last)}"]
    lines, head = [], stage[0]
    if head < epochs:
        why = _why(training, history, head)
        lines.append(f"head: stopped early at epoch {head} of {epochs}{why}")
    if stopped and last < head + fine_tune:
        whole = head + fine_tune
        lines.append(f"fine-tuning: stopped early at epoch {last} of {whole}{_OUT_OF_TIME}")
    return lines


def _why(training: TrainingSettings, history: History, epochs: int) -> str:
    """Of a step that ended after so many epochs, and looked at the validation loss if it was to."""
    losses = history.history.get("val_loss", [])[:epochs]
    known = [loss for loss in losses if not math.isnan(loss)]
    lowest = losses.index(min(known)) + 1 if known else 0
    patience = training.early_stopping
    if patience and epochs - lowest >= patience:
        since = f", the lowest was that of epoch {lowest}" if lowest else ""
        return (
            f": no lower validation loss for {count(patience, 'epoch')} (--early-stopping){since}"
        )
    return _OUT_OF_TIME if training.max_minutes is not None else ""
