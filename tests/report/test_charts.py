"""The geometry of charts, and what is left out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nncore.plots._most_confused import most_confused
from nncore.report.charts.axis import Axis, value_axis
from nncore.report.charts.bars import bar
from nncore.report.charts.grid import MOST_CLASSES, confusion_grid
from nncore.report.charts.lines import Line, Mark, line_chart


def test_ticks_are_round_and_within():
    axis = Axis(0.137, 0.861, 0, 100)
    assert [tick.label for tick in axis.ticks(4)] == ["0.2", "0.4", "0.6", "0.8"]
    assert axis.place(0.137) == 0
    assert axis.place(0.861) == 100
    assert [tick.label for tick in Axis(1, 7, 0, 1).ticks(6, "count")] == list("1234567")
    assert [tick.label for tick in Axis(1, 1, 0, 1).ticks(6, "count")] == ["1"]
    assert [tick.label for tick in Axis(0.5, 1, 0, 1).ticks(2, "percent")] == ["50%", "75%", "100%"]


def test_values_over_many_powers_of_ten_get_a_logarithmic_axis():
    axis = value_axis([1e-5, 1.0, math.inf], 0, 100)
    assert axis.log
    assert axis.place(1e-3) == pytest.approx((axis.place(1e-5) + axis.place(1e-1)) / 2, abs=0.11)
    assert not value_axis([0.0, 1.0], 0, 100).log


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf], [0.0], [2.0, 2.0]])
def test_an_axis_of_anything_has_a_place_for_it(values):
    axis = value_axis(values, 0, 100)
    assert axis.low < axis.high
    assert axis.ticks()
    for value in values:
        if math.isfinite(value):
            assert 0 <= axis.place(value) <= 100


def test_limits_hold():
    axis = value_axis([0.5, 1.0], 0, 100, limits=(0, 1))
    assert axis.high == 1
    assert axis.low < 0.5


def chart(values, **rest):
    x = list(range(1, len(values) + 1))
    return line_chart("t", x, [Line("a", values)], x_label="epoch", y_label="y", **rest)


def test_a_line_has_a_gap_where_a_number_is_missing():
    (line,) = chart([1.0, 2.0, math.nan, 2.0, 1.0]).lines
    assert line.path.count("M") == 2
    assert line.path.count("L") == 2
    assert len(line.dots) == 4


def test_the_table_has_the_numbers_that_are_drawn():
    drawn = chart([0.25, math.inf], form="percent")
    assert drawn.header == ("epoch", "a")
    assert drawn.rows == (("1", "25%"), ("2", "∞"))
    assert drawn.left_out == ""


def test_a_long_line_is_thinned_and_says_so():
    drawn = chart([float(at) for at in range(10_000)], mark=Mark(1234, "best"))
    assert len(drawn.lines[0].path) < 10_000
    assert drawn.rows[0][0] == "1"
    assert drawn.rows[-1][0] == "10,000"
    assert "1,234" in [row[0] for row in drawn.rows]
    assert drawn.left_out == "31 of 10,000 rows"


def test_a_chart_of_nothing():
    assert chart([]).rows == ()
    assert chart([math.nan]).lines[0].path == ""


def test_the_grid_of_few_classes_has_all_images():
    triples = np.array([[0, 0, 8], [0, 1, 2], [1, 1, 5]])
    grid = confusion_grid(triples, ["a", "b", "c"])
    assert [[cell.images for cell in row.cells] for row in grid.rows] == [
        [8, 2, 0],
        [0, 5, 0],
        [0, 0, 0],
    ]
    assert [row.images for row in grid.rows] == [10, 5, 0]
    assert grid.rows[1].cells[1].shade == 9
    assert grid.rows[0].cells[2].shade == 0
    assert [(pair.true, pair.predicted, pair.images, pair.share) for pair in grid.pairs] == [
        ("a", "b", 2, 0.2)
    ]
    assert grid.left_out == grid.more_pairs == 0


def test_of_many_classes_the_most_confused_are_shown():
    k = 5000
    right = np.column_stack([np.arange(k), np.arange(k), np.full(k, 3)])
    wrong = np.array([[4000, 17, 50], [17, 3, 40], [9, 4999, 1]])
    triples = np.concatenate([right, wrong])
    triples = triples[np.lexsort((triples[:, 1], triples[:, 0]))]
    grid = confusion_grid(triples, [f"c{label}" for label in range(k)])
    names = [row.name for row in grid.rows]
    assert len(names) == MOST_CLASSES
    assert {"c4000", "c17", "c3", "c9", "c4999"} < set(names)
    assert names == sorted(names, key=lambda name: int(name[1:]))
    assert grid.left_out == k - MOST_CLASSES
    row = grid.rows[names.index("c4000")]
    assert row.images == 53
    assert row.cells[names.index("c17")].images == 50
    assert row.elsewhere == 0
    assert most_confused(triples, k, most=2) == [17, 4000]
    assert confusion_grid(triples, [f"c{label}" for label in range(k)]).pairs[0].images == 50


def test_images_that_went_to_a_class_without_a_column_are_counted():
    often = [[100 + at, 300 + at, 60 - at] for at in range(40)]
    triples = np.array(sorted([*often, [100, 4321, 2], [100, 100, 7]]))
    grid = confusion_grid(triples, [f"c{label}" for label in range(5000)])
    row = grid.rows[0]
    assert (row.name, row.images, row.elsewhere) == ("c100", 69, 2)
    assert grid.more_pairs == 41 - len(grid.pairs)


def test_bars_stay_within():
    assert bar(None) is None
    found = bar(0.5, (-0.1, 1.2))
    assert (found.length, found.low, found.high) == (50, 0, 100)
