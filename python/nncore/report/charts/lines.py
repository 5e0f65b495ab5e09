"""Lines over a common axis, such as the loss of each epoch, and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nncore.report.charts.axis import Axis, Form, Tick, label, value_axis

WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 52, WIDTH - 12, 10, HEIGHT - 38  # of what is within the axes
# More points than this cannot be told apart at this width, and make a page large.
_MOST_POINTS = 400
_MOST_ROWS = 30
_MARKED_UP_TO = 25
COLORS = 6  # kinds of line that the styles have


@dataclass(frozen=True)
class Line:
    """One line: its name and a value for each x; NaN where there is none."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A value of x that stands out, such as the best epoch, and what is said of it."""

    x: float
    words: str


@dataclass(frozen=True)
class DrawnLine:
    """A line as SVG path data; `dots` are points that are drawn as such; `kind` chooses its look
    (0 to `COLORS` - 1)."""

    name: str
    kind: int
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """What `charts.html` draws; `header` and `rows` are the table beside it."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[DrawnLine, ...]
    mark_at: float | None
    mark_words: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: str
    diagonal: tuple[float, float, float, float] | None = None

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM


def line_chart(
    title: str,
    x: Sequence[float],
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    form: Form = "number",
    limits: tuple[float, float] | None = None,
    mark: Mark | None = None,
) -> LineChart:
    """Lines over whole numbers `x`, rising.

    Parameters
    ----------
    title
        What a person who does not see the chart is told that it is.
    form
        Of the values: in the chart and in the table.
    limits
        What values cannot exceed, such as (0, 1).
    """
    every = [value for line in lines for value in line.values]
    first, last = (x[0], x[-1]) if x else (0.0, 1.0)
    x_axis = Axis(first, last, LEFT + 6, RIGHT - 6)
    y_axis = value_axis(every, BOTTOM, TOP, limits)
    header, rows, left_out = _table(x, lines, x_label, form, mark)
    return LineChart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=tuple(x_axis.ticks(6, "count")),
        y_ticks=tuple(y_axis.ticks(5, form)),
        lines=tuple(
            drawn_line(line.name, number, _places(line, x, x_axis, y_axis))
            for number, line in enumerate(lines)
        ),
        mark_at=None if mark is None else x_axis.place(mark.x),
        mark_words="" if mark is None else mark.words,
        header=header,
        rows=rows,
        left_out=left_out,
    )


def drawn_line(name: str, kind: int, points: Sequence[tuple[float, float] | None]) -> DrawnLine:
    """A line through places, with gaps where there is none; of few each is marked."""
    path, pen_up = [], True
    for point in points:
        if point is not None:
            path.append(f"{'M' if pen_up else 'L'}{point[0]:g} {point[1]:g}")
        pen_up = point is None
    dots = tuple(point for point in points if point is not None)
    marked = dots if len(points) <= _MARKED_UP_TO else ()
    return DrawnLine(name, kind % COLORS, "".join(path), marked)


def _places(
    line: Line, x: Sequence[float], x_axis: Axis, y_axis: Axis
) -> list[tuple[float, float] | None]:
    return [
        (x_axis.place(at), y_axis.place(value)) if _can_be_drawn(value, y_axis) else None
        for at, value in _thinned(list(zip(x, line.values, strict=True)), _MOST_POINTS)
    ]


def _can_be_drawn(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and not (axis.log and value <= 0)


def _table(
    x: Sequence[float], lines: Sequence[Line], x_label: str, form: Form, mark: Mark | None
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], str]:
    kept = _thinned(list(range(len(x))), _MOST_ROWS)
    if mark is not None and mark.x in x:
        kept = sorted({*kept, list(x).index(mark.x)})
    rows = tuple(
        (label(x[row], "count"), *(label(line.values[row], form) for line in lines)) for row in kept
    )
    left_out = f"{len(rows)} of {len(x):,} rows" if len(rows) < len(x) else ""
    return (x_label, *(line.name for line in lines)), rows, left_out


def _thinned(points: list, most: int) -> list:  # type: ignore[type-arg]
    """Evenly chosen ones, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]
