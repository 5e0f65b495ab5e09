from __future__ import annotations

import itertools

import numpy as np
import pytest

from nncore import plots
from nncore.training.answers.report import Mistake, Report

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 6, 3), dtype=np.uint8)


def mistake(index: int, path: str | None = None) -> Mistake:
    return Mistake(path, index, "Cat", "Dog", 0.9, 0.05)


def pictured(figure):
    return [axes for axes in figure.axes if axes.images]


def test_each_tile_has_its_own_image_and_words() -> None:
    figure = plots.mistakes(IMAGES, [mistake(7, "some/folder/a.png"), mistake(3)])
    first, second = pictured(figure)
    assert np.array_equal(first.images[0].get_array(), IMAGES[7])
    assert np.array_equal(second.images[0].get_array(), IMAGES[3])
    assert first.get_title(loc="left") == "true: Cat (5.0%)\npredicted: Dog (90.0%)"
    assert first.texts[0].get_text() == "a.png"
    assert second.texts[0].get_text() == "image 3"
    assert "The most confident mistakes" in figure.get_suptitle()


@pytest.mark.parametrize("images", [IMAGES[..., 0], IMAGES[..., :1]])
def test_gray_images_keep_their_scale(images: np.ndarray) -> None:
    (tile,) = pictured(plots.mistakes(images, [mistake(5)]))
    assert np.array_equal(tile.images[0].get_array(), IMAGES[5, ..., 0])
    assert tile.images[0].get_clim() == (0, 255)
    assert tile.images[0].get_cmap().name == "gray"


def test_a_report_gives_its_worst() -> None:
    scores = np.tile(np.array([0.4, 0.6], np.float32), (40, 1))
    report = Report.from_predictions(scores, [0] * 3 + [1] * 37, ("Cat", "Dog"), None, "mse")
    tiles = pictured(plots.mistakes(IMAGES, report))
    assert len(tiles) == 3
    assert np.array_equal(tiles[2].images[0].get_array(), IMAGES[2])


def test_no_mistakes_are_said_in_words() -> None:
    figure = plots.mistakes(IMAGES, [])
    assert not pictured(figure)
    assert figure.axes[0].texts[0].get_text() == "No mistakes to show\n(40 images)"


def test_more_than_fit_are_counted() -> None:
    figure = plots.mistakes(IMAGES, [mistake(index) for index in range(40)])
    assert len(pictured(figure)) == 30
    assert "The 30 most confident of 40 mistakes" in figure.get_suptitle()


def test_long_names_do_not_run_into_the_next_tile() -> None:
    long = Mistake("n" * 90 + ".png", 0, "W" * 60, "m" * 60, 0.999, 0.0001)
    figure = plots.mistakes(IMAGES, [long] * 6)
    figure.draw_without_rendering()
    tiles = pictured(figure)
    for left, right in itertools.pairwise(tiles[:5]):
        for text in (left.texts[0], left._left_title):
            assert text.get_window_extent().x1 < right.get_window_extent().x0
    assert tiles[0]._left_title.get_text().startswith("true: WWW")
    assert tiles[4]._left_title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, 60, 10, 3), (1, 10, 60, 3)])
def test_the_title_is_never_cut_off(shape: tuple[int, ...]) -> None:
    figure = plots.mistakes(np.zeros(shape, np.uint8), [mistake(0)])
    figure.draw_without_rendering()
    extent = figure._suptitle.get_window_extent()
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("images", "index", "error", "named"),
    [
        (IMAGES / 255.0, 0, TypeError, "uint8, got float64"),
        (IMAGES[0, 0], 0, ValueError, r"got \(6, 3\)"),
        (IMAGES[..., :2], 0, ValueError, r"got \(40, 8, 6, 2\)"),
        (IMAGES, 40, ValueError, "index 40, but there are 40 images"),
        (IMAGES, -1, ValueError, "index -1"),
    ],
)
def test_wrong_arguments_are_named(images, index, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        plots.mistakes(images, [mistake(index)])


def test_answers_may_be_right() -> None:
    right = Mistake("a.png", 2, "Cat", "Cat", 0.9, 0.9)
    figure = plots.answers(IMAGES, [mistake(1), right, mistake(0)])
    assert figure.get_suptitle().startswith("1 of 3 are right\n")
    first, second, _ = pictured(figure)
    assert np.array_equal(first.images[0].get_array(), IMAGES[1])
    assert second.get_title(loc="left") == "true: Cat (90.0%)\npredicted: Cat (90.0%)"
    with pytest.raises(ValueError, match="no answers"):
        plots.answers(IMAGES, [])
