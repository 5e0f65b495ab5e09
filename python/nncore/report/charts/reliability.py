"""The reliability diagram: how often answers are right, over how probable they were said to be."""

from __future__ import annotations

from nncore.report.charts.axis import Axis, label
from nncore.report.charts.lines import BOTTOM, LEFT, RIGHT, TOP, DrawnLine, LineChart, drawn_line
from nncore.training.answers.reliability import Reliability

_FEWEST = 5  # images of a bin that is drawn: the share of fewer is chance


def reliability_chart(after: Reliability, before: Reliability) -> LineChart:
    """Both as lines over the mean probability of each bin; without a temperature they are one.

    Bins with fewer than 5 images are in the table alone.
    """
    one = after == before
    x_axis, y_axis = Axis(0.0, 1.0, LEFT + 6, RIGHT - 6), Axis(0.0, 1.0, BOTTOM, TOP)
    pairs = [("model", after)] if one else [("calibrated", after), ("before", before)]
    lines = tuple(
        _line(name, kind, found, x_axis, y_axis) for kind, (name, found) in enumerate(pairs)
    )
    names = [name for name, _ in pairs]
    header = ["probability", *(f"{what}, {name}" for name in names for what in ("images", "right"))]
    return LineChart(
        title="Reliability: how often answers are right, over the probability that they were given",
        x_label="probability of the answer",
        y_label="right answers",
        x_ticks=tuple(x_axis.ticks(5, "percent")),
        y_ticks=tuple(y_axis.ticks(5, "percent")),
        lines=lines,
        mark_at=None,
        mark_words="",
        header=tuple(header),
        rows=_rows([found for _, found in pairs]),
        left_out="",
        diagonal=(x_axis.start, y_axis.start, x_axis.end, y_axis.end),
    )


def _line(name: str, kind: int, found: Reliability, x_axis: Axis, y_axis: Axis) -> DrawnLine:
    points = [
        (x_axis.place(sure), y_axis.place(right))
        for images, sure, right in zip(found.images, found.probability, found.accuracy, strict=True)
        if images >= _FEWEST and sure is not None and right is not None
    ]
    return drawn_line(name, kind, points)


def _rows(found: list[Reliability]) -> tuple[tuple[str, ...], ...]:
    bins = len(found[0].images)
    rows = []
    for at in range(bins):
        if not any(one.images[at] for one in found):
            continue
        cells = [f"{label(at / bins, 'percent')} to {label((at + 1) / bins, 'percent')}"]
        for one in found:
            right = one.accuracy[at]
            cells += [f"{one.images[at]:,}", "" if right is None else f"{100 * right:.1f}%"]
        rows.append(tuple(cells))
    return tuple(rows)
