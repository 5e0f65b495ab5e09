"""What the report of a training keeps of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nncore.cli.provenance import provenance
from nncore.cli.training import recipe
from nncore.cli.training.config import config

if TYPE_CHECKING:
    from nncore.cli.training.plan import Plan
    from nncore.report.provenance import Provenance
    from nncore.training.answers.calibration import Calibration


def of_training(
    plan: Plan, seconds: Mapping[str, float], calibration: Calibration | None, refit: bool
) -> Provenance:
    """Of a training that has ended, and was measured; `refit` says whether the last layer is
    trained once more."""
    settings, parts, history = plan.settings, plan.parts, plan.model.history
    part, measured = parts.measured
    assert history is not None
    notes = [*parts.whole.notes, *parts.train.split_notes]
    if plan.recipe is not None:
        notes += plan.recipe.notes
    kept = config(plan)
    for section in ("run", "recipe"):  # these are told elsewhere
        kept.pop(section, None)
    spent = {**seconds, "training": sum(history.seconds)}
    whole = provenance(
        settings.command, settings.source, part, measured, spent, parts.whole.skipped
    )
    return dataclasses.replace(
        whole,
        notes=tuple(notes),
        settings=kept,
        choices=() if plan.recipe is None else tuple(recipe.choices(plan.recipe)),
        split=parts.source,
        counts={name: tuple(data.counts.values()) for name, data in parts.by_name.items()},
        best_epoch=history.best_epoch(),
        monitor=history.monitor,
        weighted=history.weighted,
        interrupted=plan.model.interrupted,
        refit=refit,
        calibration=calibration,
    )
