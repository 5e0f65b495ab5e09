from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from nncore import plots
from nncore.training.answers.report import Report


def drawn(figure):
    axes = figure.axes[0]
    return axes, {text.get_position(): text.get_text() for text in axes.texts}


def names(count: int) -> list[str]:
    return [f"class {number}" for number in range(count)]


def label_texts(labels) -> list[str]:
    return [label.get_text() for label in labels]


def test_cells_hold_counts_and_colours_hold_shares_of_the_row() -> None:
    axes, cells = drawn(plots.confusion_matrix([[1500, 500], [1, 3]], ["cat", "dog"]))
    # Positions are (column, row) = (predicted, true).
    assert cells == {(0, 0): "1,500", (1, 0): "500", (0, 1): "1", (1, 1): "3"}
    assert axes.images[0].get_array().tolist() == [[75, 25], [25, 75]]
    assert axes.images[0].get_clim() == (0, 100)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert label_texts(axes.get_xticklabels()) == ["cat", "dog"]
    assert label_texts(axes.get_yticklabels()) == ["cat", "dog"]
    assert axes.get_title() == "Confusion matrix: 2,004 images, accuracy 75.00%"


def test_a_report_brings_its_own_names() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    report = Report.from_predictions(scores, [0, 1, 1], ("no", "yes"), None, "mse")
    axes, cells = drawn(plots.confusion_matrix(report))
    assert cells == {(0, 0): "1", (1, 0): "0", (0, 1): "1", (1, 1): "1"}
    assert label_texts(axes.get_yticklabels()) == ["no", "yes"]


@pytest.mark.filterwarnings("error")
def test_a_class_without_images_is_a_grey_row_not_a_division_by_zero() -> None:
    axes, _ = drawn(plots.confusion_matrix([[2, 0], [0, 0]], ["a", "b"]))
    shares = axes.images[0].get_array()
    assert np.ma.getmaskarray(shares).tolist() == [[False, False], [True, True]]
    empty, _ = drawn(plots.confusion_matrix(np.zeros((2, 2), int), ["a", "b"]))
    assert empty.get_title() == "Confusion matrix: 0 images"


@pytest.mark.parametrize(("k", "numbers"), [(12, 144), (13, 13), (25, 25), (26, 0), (50, 0)])
def test_numbers_give_way_to_colours_in_a_large_matrix(k: int, numbers: int) -> None:
    _, cells = drawn(plots.confusion_matrix(np.eye(k, dtype=int), names(k)))
    assert len(cells) == numbers


def test_numbers_can_be_told_from_their_cells() -> None:
    axes, _ = drawn(plots.confusion_matrix([[9, 1], [0, 5]], ["a", "b"]))
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["9"] == "white"
    assert colours["1"] == "black"


@pytest.mark.parametrize("k", [2, 25])
def test_counts_fit_into_their_cells(k: int) -> None:
    matrix = np.eye(k, dtype=int) * 12_345_678
    figure = plots.confusion_matrix(matrix, names(k))
    figure.draw_without_rendering()
    axes, _ = drawn(figure)
    cell = axes.get_window_extent().width / k
    assert max(text.get_window_extent().width for text in axes.texts) < cell


@pytest.mark.parametrize(
    ("k", "name"),
    [(2, "a very long name of a class"), (10, "WWWW"), (30, "W" * 40), (50, "a name like others")],
)
def test_no_label_is_cut_off_or_runs_into_the_next(k: int, name: str) -> None:
    labels = [f"{name} {number}" for number in range(k)]
    figure = plots.confusion_matrix(np.eye(k, dtype=int), labels)
    figure.draw_without_rendering()
    axes, _ = drawn(figure)
    page = figure.bbox
    down = [label.get_window_extent() for label in axes.get_yticklabels()]
    across = [label.get_window_extent() for label in axes.get_xticklabels()]
    extents = [*down, *across, axes.xaxis.label.get_window_extent()]
    extents += [axes.yaxis.label.get_window_extent(), axes.title.get_window_extent()]
    for extent in extents:
        assert page.x0 <= extent.x0
        assert extent.x1 <= page.x1
        assert page.y0 <= extent.y0
        assert extent.y1 <= page.y1
    assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(across))
    assert all(a.y0 >= b.y1 for a, b in itertools.pairwise(down))


def test_shortened_names_stay_distinct() -> None:
    long = [f"golden retriever number {number} of the kennel" for number in range(3)]
    axes, _ = drawn(plots.confusion_matrix(np.eye(3, dtype=int), long))
    labels = label_texts(axes.get_xticklabels())
    assert len(set(labels)) == 3
    assert labels[1] == "1: golden ret…he kennel"
    assert max(map(len, labels)) <= 23


def test_dollar_signs_are_no_formula() -> None:
    figure = plots.confusion_matrix(np.eye(2, dtype=int), [r"$\notatexmacro$", "$5 to $9"])
    figure.draw_without_rendering()  # a formula would fail to parse here
    assert label_texts(drawn(figure)[0].get_xticklabels())[1] == r"\$5 to \$9"


def test_many_classes_name_only_some() -> None:
    axes, _ = drawn(plots.confusion_matrix(np.eye(100, dtype=int), names(100)))
    labels = label_texts(axes.get_xticklabels())
    assert len(labels) == 50
    assert labels[1] == "class 2"
    assert axes.get_xticks()[1] == 2


@pytest.mark.parametrize(
    ("matrix", "classes", "error", "named"),
    [
        ([[1, 2, 3], [1, 2, 3]], ["a", "b"], ValueError, r"got \(2, 3\)"),
        ([1, 2], ["a", "b"], ValueError, r"got \(2,\)"),
        (np.zeros((0, 0), int), [], ValueError, r"got \(0, 0\)"),
        ([[0.5, 0.5], [0.1, 0.9]], ["a", "b"], TypeError, "float64"),
        ([[1, -2], [0, 1]], ["a", "b"], ValueError, "negative -2"),
        ([[1, 2], [0, 1]], ["a", "b", "c"], ValueError, r"3 names.*\(2, 2\)"),
        ([[1, 2], [0, 1]], None, TypeError, "classes is missing"),
        ([[1, 2], [0, 1]], "ab", TypeError, "single str"),
    ],
)
def test_wrong_arguments_are_named(matrix, classes, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        plots.confusion_matrix(matrix, classes)


def test_of_thousands_of_classes_the_most_confused_are_drawn() -> None:
    triples = np.array([[0, 0, 5], [5, 1999, 1], [70, 3, 2], [70, 70, 4], [1999, 1999, 4]])
    many = SimpleNamespace(classes=names(2000), confusion_triples=triples)
    axes, cells = drawn(plots.confusion_matrix(many))
    shares = axes.images[0].get_array()
    shown = label_texts(axes.get_yticklabels())
    assert shares.shape == (60, 60)
    assert {"class 3", "class 5", "class 70", "class 1999"} < set(shown)
    assert shares[shown.index("class 70"), shown.index("class 3")] == pytest.approx(100 * 2 / 6)
    assert shares[shown.index("class 5"), shown.index("class 1999")] == 100
    assert cells == {}
    first, second = axes.get_title().splitlines()
    assert first == "Confusion matrix: 16 images, accuracy 81.25%"
    assert second == "the 60 most often confused of 2,000 classes"


@pytest.mark.parametrize("triples", [[[0, 2, 1]], [[0, 1, -1]], [[0, 1]], [[0.5, 1, 1]]])
def test_wrong_triples_are_refused(triples) -> None:
    with pytest.raises(ValueError, match="confusion_triples"):
        plots.confusion_matrix(
            SimpleNamespace(classes=["a", "b"], confusion_triples=np.array(triples))
        )
