"""The part of a page that says how a model was made: curves, images, recipe, layers, times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nncore.report.charts.lines import Line, LineChart, Mark, line_chart
from nncore.report.kept import Kept
from nncore.report.provenance import Provenance
from nncore.training.history import History

MOST_CLASSES = 50
MOST_FILES = 50
MOST_NOTES = 20
_PARTS = {"train": "training", "val": "validation", "test": "test"}
_REASONS = {"val_loss": "lowest validation loss", "val_accuracy": "most right validation images"}


@dataclass(frozen=True)
class PartsTable:
    """Images of each class in each part; `rows` are name and counts, `total` the sums."""

    parts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    total: tuple[int, ...]
    left_out: int


def sections(kept: Kept) -> dict[str, Any]:
    """What `run.html` shows of a training, by name; None or empty where it is not known."""
    made, history = kept.provenance, kept.history
    best = best_epoch(kept)
    return {
        "made": made,
        "curves": [] if history is None else curves(history, best, made.monitor),
        "best_epoch": best,
        "parts": parts_table(kept),
        "settings": flat_settings(made),
        "machine": made.settings.get("machine", {}),
        "notes": made.notes[:MOST_NOTES],
        "notes_left_out": max(0, len(made.notes) - MOST_NOTES),
        "skipped_first": made.skipped_first[:MOST_FILES],
        "skipped_count": sum(made.skipped_kinds.values()),
    }


def best_epoch(kept: Kept) -> int | None:
    """Number of the epoch whose weights are kept."""
    if kept.provenance.best_epoch is not None:
        return kept.provenance.best_epoch
    if kept.history is None:
        return None
    try:
        return kept.history.best_epoch()
    except ValueError:  # no finite loss
        return None


def curves(history: History, best: int | None, monitor: str) -> list[LineChart]:
    """Loss and accuracy of each epoch; and its learning rate, where that changed."""
    x = [float(epoch) for epoch in history.epoch]
    reason = _REASONS.get(monitor or history.monitor, "lowest training loss")
    mark = None if best is None else Mark(best, f"best epoch: {best} ({reason})")
    charts = []
    for name, limits in (("loss", None), ("accuracy", (0.0, 1.0))):
        lines = [
            Line(words, history.history[key])
            for key, words in ((name, "training"), (f"val_{name}", "validation"))
            if key in history.history
        ]
        charts.append(
            line_chart(
                f"{name.capitalize()} of each epoch",
                x,
                lines,
                x_label="epoch",
                y_label=name.capitalize(),
                form="percent" if limits else "number",
                limits=limits,
                mark=mark,
            )
        )
    rates = [rate for rate in history.learning_rate if math.isfinite(rate)]
    if len(set(rates)) > 1:
        lines = [Line("at the end of the epoch", history.learning_rate)]
        title, words = "Learning rate of each epoch", "Learning rate"
        charts.append(line_chart(title, x, lines, x_label="epoch", y_label=words, mark=mark))
    return charts


def parts_table(kept: Kept) -> PartsTable | None:
    """How the images were split, class by class."""
    counts = kept.provenance.counts
    parts = [part for part in _PARTS if sum(counts.get(part, ()))]
    columns = [counts[part] for part in parts]
    names = kept.report.classes
    if not parts or any(len(column) != len(names) for column in columns):
        return None
    rows = list(zip(names, zip(*columns, strict=True), strict=True))
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda row: sum(row[1]))[:MOST_CLASSES]
    return PartsTable(
        tuple(_PARTS[part] for part in parts),
        tuple(rows),
        tuple(map(sum, columns)),
        len(names) - len(rows),
    )


def flat_settings(made: Provenance) -> dict[str, str]:
    """All settings by ``section.name``, as texts."""
    return {
        f"{section}.{name}": _told(value)
        for section, values in made.settings.items()
        if section != "class_weights"
        for name, value in values.items()
        if value is not None
    }


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(one)}" for name, one in value.items())
    return str(value)
