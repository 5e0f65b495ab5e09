"""The part of a page that an evaluation gives: how good a model is, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nncore.report.charts.bars import Bar, bar
from nncore.report.charts.grid import confusion_grid
from nncore.report.charts.reliability import reliability_chart
from nncore.training.answers.calibration import FEWEST_IMAGES
from nncore.training.answers.report import ClassScore, Report, wilson_interval

MOST_CLASSES = 100


@dataclass(frozen=True)
class ClassRow:
    """A class in the table; the interval and the bar are of its recall, None without images."""

    score: ClassScore
    interval: tuple[float, float] | None
    bar: Bar | None


def sections(report: Report) -> dict[str, Any]:
    """What `run.html` shows of a report, by name."""
    rows, left_out = class_rows(report)
    known = sum(report.reliability.images)
    return {
        "wrong": report.images - round(report.accuracy * report.images),
        "grid": confusion_grid(report.confusion_triples, report.classes),
        "class_rows": rows,
        "classes_left_out": left_out,
        "has_reliability": known > 0,
        # Of fewer images a diagram is some dots, and the error mostly chance.
        "reliability": reliability_chart(report.reliability, report.reliability_before)
        if known >= FEWEST_IMAGES
        else None,
        "fewest_for_reliability": FEWEST_IMAGES,
        "calibrated": report.reliability != report.reliability_before,
    }


def class_rows(report: Report) -> tuple[list[ClassRow], int]:
    """The classes in their order; of more than 100 those with the lowest f1, the lowest first."""
    scores = list(report.per_class)
    if len(scores) > MOST_CLASSES:
        known = [score for score in scores if score.f1 is not None]
        scores = sorted(known, key=lambda score: score.f1 or 0.0)[:MOST_CLASSES]
    return [_row(score) for score in scores], len(report.per_class) - len(scores)


def _row(score: ClassScore) -> ClassRow:
    if score.recall is None:
        return ClassRow(score, None, None)
    interval = wilson_interval(round(score.recall * score.support), score.support)
    return ClassRow(score, interval, bar(score.recall, interval))
