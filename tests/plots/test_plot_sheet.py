"""The contact sheet."""

from __future__ import annotations

import numpy as np
import pytest

from nncore import plots

RNG = np.random.default_rng(0)


def pictures(count: int, channels: int = 3) -> list[np.ndarray]:
    return [RNG.integers(0, 256, (6, 4, channels), dtype=np.uint8) for _ in range(count)]


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def drawn(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def test_every_class_has_a_row_with_its_pictures(tmp_path):
    rows = {"cat": pictures(2), "$dog$": pictures(5, 1), "none": []}
    figure = plots.contact_sheet(rows, tmp_path / "a.png", notes={"cat": "2 images"})
    assert texts(figure) == ["cat", "2 images", r"\$dog\$", "none", "no image"]
    expected = [*rows["cat"], *(one[..., 0] for one in rows["$dog$"])]
    for actual, wanted in zip(drawn(figure), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_duplicates_come_last_with_words():
    twins = [(one, f"{number} times") for number, one in enumerate(pictures(5))]
    figure = plots.contact_sheet({"cat": pictures(3)}, duplicates=twins)
    assert len(drawn(figure)) == 8
    np.testing.assert_array_equal(drawn(figure)[-1], twins[-1][0])
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [words for _, words in twins]


def test_many_classes_are_cut():
    figure = plots.contact_sheet({str(number): [] for number in range(70)})
    assert figure.get_suptitle() == "70 classes, the first 60 shown"


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="at least one class"):
        plots.contact_sheet({})
    with pytest.raises(ValueError, match="must end in"):
        plots.contact_sheet({"a": []}, tmp_path / "a.jpg")
