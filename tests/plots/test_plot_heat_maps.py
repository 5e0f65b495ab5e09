"""Pictures beside where the model looked."""

from __future__ import annotations

import numpy as np
import pytest

from nncore import plots

RNG = np.random.default_rng(0)


def drawn(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


@pytest.mark.parametrize("shape", [(5, 6, 4), (5, 6, 4, 1), (5, 6, 4, 3)])
def test_each_picture_stands_beside_its_map(tmp_path, shape):
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    maps = RNG.uniform(0, 1, shape[:3]).astype(np.float32)
    figure = plots.heat_maps(images, maps, tmp_path / "a.png", titles=[*"abc", "$d$", "<e>"])
    shown = drawn(figure)
    assert len(shown) == 10
    for at in range(5):
        np.testing.assert_array_equal(shown[2 * at], images[at].squeeze())
        np.testing.assert_array_equal(shown[2 * at + 1], plots.heat_overlay(images[at], maps[at]))
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[0:10:2] == ["a", "b", "c", r"\$d\$", "<e>"]
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_floats_are_drawn_from_black_to_white():
    image = np.linspace(-3, 5, 12).reshape(1, 3, 4)
    picture, _ = drawn(plots.heat_maps(image, np.zeros((1, 3, 4))))
    assert picture.min() == 0
    assert picture.max() == 255


def test_of_many_the_first_are_drawn():
    images, maps = np.zeros((33, 2, 2), np.uint8), np.zeros((33, 2, 2))
    figure = plots.heat_maps(images, maps)
    assert len(drawn(figure)) == 60
    assert figure.get_suptitle().endswith("the first 30 of 33")


@pytest.mark.parametrize(
    ("images", "maps", "titles", "message"),
    [
        ((2, 4, 4), (1, 4, 4), (), r"got \(2, 4, 4\) and \(1, 4, 4\)"),
        ((4, 4), (4, 4), (), r"N, H, W, C\) and maps"),
        ((0, 4, 4), (0, 4, 4), (), "N at least 1"),
        ((2, 4, 5), (2, 4, 4), (), "equally large"),
        ((2, 4, 4), (2, 4, 4), ["a"], "1 titles for 2 images"),
    ],
)
def test_what_cannot_be_drawn(images, maps, titles, message):
    with pytest.raises(ValueError, match=message):
        plots.heat_maps(np.zeros(images, np.uint8), np.zeros(maps), titles=titles)


def test_the_path_is_looked_at_first(tmp_path):
    with pytest.raises(ValueError, match="must end in"):
        plots.heat_maps(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), tmp_path / "a.gif")
