"""The sheet of augmented images."""

from __future__ import annotations

import numpy as np
import pytest

from nncore import plots
from nncore.data import Augmentation

RNG = np.random.default_rng(0)
STRONG = Augmentation.preset("strong")


def drawn(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_the_image_and_its_copies_of_each_epoch(tmp_path, channels):
    images = RNG.integers(0, 256, (30, 8, 6, channels), dtype=np.uint8)
    figure = plots.augmented(images, STRONG, tmp_path / "a.png", count=3, copies=2, seed=4)
    shown = drawn(figure)
    assert len(shown) == 9
    epochs = [STRONG.apply(images, 4, epoch) for epoch in range(2)]
    for row, position in enumerate((0, 14, 29)):
        for column, expected in enumerate([images, *epochs]):
            wanted = expected[position][..., 0] if channels == 1 else expected[position]
            np.testing.assert_array_equal(shown[3 * column + row], wanted)
    (axes,) = figure.axes
    # Each column under its title, each row at one height, and none over another.
    places = np.array([image.get_extent() for image in axes.get_images()]).reshape(3, 3, 4)
    for column, text in zip(places, axes.texts, strict=True):
        assert (column[:, 0] < text.get_position()[0]).all()
        assert (column[:, 1] > text.get_position()[0]).all()
    assert (np.diff(places[..., :2].reshape(9, 2)[::3].ravel()) > 0).all()
    assert (np.diff(places[0, :, :1:-1].ravel()) > 0).all()
    assert [text.get_text() for text in axes.texts] == ["image", "epoch 1", "epoch 2"]
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_floats_are_drawn_from_black_to_white():
    images = RNG.uniform(-3, 5, (1, 4, 4, 1)).astype(np.float32)
    figure = plots.augmented(images, Augmentation(horizontal_flip=True))
    (first, *_) = shown = drawn(figure)
    assert len(shown) == 9  # fewer images than asked for
    low, high = images.min(), images.max()
    np.testing.assert_allclose(first, (images[0, ..., 0] - low) / (high - low) * 255, atol=1)


def test_what_cannot_be_drawn(tmp_path):
    images = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match="N, H, W, 1"):
        plots.augmented(np.zeros((2, 4, 4, 2), np.uint8), STRONG)
    with pytest.raises(ValueError, match="N, H, W, C"):
        plots.augmented(np.zeros((2, 4), np.uint8), STRONG)
    with pytest.raises(ValueError, match="count must be at least 1"):
        plots.augmented(images, STRONG, count=0)
    with pytest.raises(ValueError, match="more than 1000"):
        plots.augmented(images, STRONG, copies=501)
    with pytest.raises(ValueError, match="bmp"):
        plots.augmented(images, STRONG, tmp_path / "a.bmp")
