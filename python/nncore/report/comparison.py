"""Several trainings or evaluations side by side, as one page."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nncore.files.atomic import atomic_write_text
from nncore.report import page
from nncore.report.charts.lines import Line, LineChart, line_chart
from nncore.report.kept import Kept, read_kept
from nncore.report.trained import best_epoch, flat_settings

_MISSING = "\N{EN DASH}"
# Which numbers of an epoch tell runs apart: those of validation, where there is one.
_CURVES = (
    ("val_loss", "Validation loss"),
    ("val_accuracy", "Validation accuracy"),
    ("loss", "Training loss"),
    ("accuracy", "Training accuracy"),
)


@dataclass(frozen=True)
class Row:
    """A quantity of each run; `best` are the places of the best values, where that means much."""

    name: str
    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()


def write_comparison(
    folders: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]
) -> list[Kept]:
    """Write the page of these folders, which hold reports each; what they keep is returned.

    Raises
    ------
    DataError
        A folder holds no report, or a damaged one.
    OSError
        The page cannot be written.
    """
    runs = [read_kept(folder) for folder in folders]
    atomic_write_text(path, comparison_page(runs))
    return runs


def comparison_page(runs: Sequence[Kept]) -> str:
    """The text of the page."""
    names = run_names(runs)
    values: dict[str, Any] = {
        "names": names,
        "runs": list(zip(names, runs, strict=True)),
        "differing": _measured_on(runs),
        "metrics": metrics(runs),
        "curves": curves(runs, names),
        "settings": differing_settings(runs),
        "classes": class_rows(runs),
    }
    return page.render("comparison.html", values, title=f"{len(runs)} runs compared by nncore")


def run_names(runs: Sequence[Kept]) -> list[str]:
    """The names of the folders; where two are alike, their paths."""
    names = [run.name for run in runs]
    return [
        str(run.folder) if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def metrics(runs: Sequence[Kept]) -> list[Row]:
    """How good each run is, and what it cost."""
    reports = [run.report for run in runs]
    seconds = [run.provenance.seconds.get("training") for run in runs]
    parameters = [None if run.outline is None else run.outline.parameter_count for run in runs]
    losses = [report.loss if report.loss is not None else math.nan for report in reports]
    same_loss = len({report.loss_name for report in reports}) == 1
    errors = [
        report.reliability.error if sum(report.reliability.images) else math.nan
        for report in reports
    ]
    measured = _best if not _measured_on(runs) else _none_is_best
    rows = [
        Row(
            "accuracy",
            tuple(f"{report.accuracy:.2%}" for report in reports),
            measured([-report.accuracy for report in reports]),
        ),
        Row(
            "95% interval",
            tuple("{:.1%} to {:.1%}".format(*report.accuracy_interval) for report in reports),
        ),
        Row("measured on", tuple(run.provenance.part or "images" for run in runs)),
        Row("images", tuple(f"{report.images:,}" for report in reports)),
        Row("classes", tuple(f"{len(report.classes):,}" for report in reports)),
        Row("by the most frequent class", tuple(f"{r.baseline_accuracy:.2%}" for r in reports)),
        Row("loss", tuple(map(_number, losses)), measured(losses) if same_loss else frozenset()),
        Row("kind of loss", tuple(report.loss_name for report in reports)),
        Row("calibration error", tuple(map(_percent, errors)), measured(errors)),
        Row("epochs", tuple(_count(None if r.history is None else len(r.history)) for r in runs)),
        Row("best epoch", tuple(_count(best_epoch(run)) for run in runs)),
        Row(
            "training, seconds",
            tuple(_MISSING if value is None else f"{value:,.1f}" for value in seconds),
            _best([math.nan if value is None else value for value in seconds]),
        ),
        Row("parameters", tuple(map(_count, parameters))),
        Row("fingerprint", tuple(_fingerprint(run) for run in runs)),
    ]
    return [row for row in rows if set(row.cells) != {_MISSING}]


def curves(runs: Sequence[Kept], names: Sequence[str]) -> list[LineChart]:
    """One chart for each number of an epoch, with a line for each run that has it."""
    charts = []
    for key, title in _CURVES:
        found = [
            (name, run.history.history[key])
            for name, run in zip(names, runs, strict=True)
            if run.history is not None and key in run.history.history
        ]
        if not found:
            continue
        epochs = max(len(values) for _, values in found)
        lines = [
            Line(name, [*values, *[math.nan] * (epochs - len(values))]) for name, values in found
        ]
        share = key.endswith("accuracy")
        charts.append(
            line_chart(
                f"{title} of each epoch, for each run",
                [float(epoch) for epoch in range(1, epochs + 1)],
                lines,
                x_label="epoch",
                y_label=title,
                form="percent" if share else "number",
                limits=(0.0, 1.0) if share else None,
            )
        )
    return charts


def differing_settings(runs: Sequence[Kept]) -> list[Row]:
    """The settings that are not the same in all runs."""
    settings = [flat_settings(run.provenance) for run in runs]
    names = dict.fromkeys(name for one in settings for name in one)
    rows = [Row(name, tuple(one.get(name, _MISSING) for one in settings)) for name in names]
    return [row for row in rows if len(set(row.cells)) > 1]


def class_rows(runs: Sequence[Kept], most: int = 30) -> list[Row]:
    """Recall of each class; of many classes those in which the runs differ most."""
    recalls: dict[str, list[float]] = {}
    for at, run in enumerate(runs):
        for score in run.report.per_class:
            if score.recall is not None:
                recalls.setdefault(score.name, [math.nan] * len(runs))[at] = score.recall
    rows = list(recalls.items())
    if len(rows) > most:
        rows = sorted(rows, key=lambda row: -_spread(row[1]))[:most]
    measured = _best if not _measured_on(runs) else _none_is_best
    return [
        Row(name, tuple(map(_percent, values)), measured([-value for value in values]))
        for name, values in rows
    ]


def _measured_on(runs: Sequence[Kept]) -> list[str]:
    """In what the images that runs were measured on differ."""
    facts: dict[str, set[Any]] = {
        "part": {run.provenance.part for run in runs},
        "source": {run.provenance.source for run in runs},
        "number": {run.report.images for run in runs},
        "classes": {run.report.classes for run in runs},
    }
    return [name for name, found in facts.items() if len(found) > 1]


def _none_is_best(values: Sequence[float]) -> frozenset[int]:
    """Of figures that cannot be compared."""
    return frozenset()


def _best(values: Sequence[float]) -> frozenset[int]:
    """Places of the lowest finite value; none where all are alike."""
    finite = [value for value in values if math.isfinite(value)]
    if len(set(finite)) < 2:
        return frozenset()
    return frozenset(at for at, value in enumerate(values) if value == min(finite))


def _spread(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) - min(finite)


def _fingerprint(run: Kept) -> str:
    return (run.outline.weights_digest if run.outline is not None else None) or _MISSING


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else _MISSING


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else _MISSING


def _count(value: int | None) -> str:
    return _MISSING if value is None else f"{value:,}"
