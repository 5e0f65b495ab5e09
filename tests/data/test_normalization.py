"""Mean and deviation of the training pixels."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.data.normalization import channel_statistics, with_normalization


@pytest.mark.parametrize("shape", [(3, 5, 4, 1), (2, 700, 800, 3)])
def test_as_numpy(shape):
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    images[..., -1] //= 3
    mean, std = channel_statistics(images)
    scaled = images / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 1, 2)), rtol=1e-10)


def test_the_order_of_the_images_does_not_matter():
    images = np.random.default_rng(0).integers(0, 256, (50, 9, 9, 3)).astype(np.uint8)
    assert channel_statistics(images) == channel_statistics(images[::-1])


def test_a_constant_channel():
    assert channel_statistics(np.full((2, 3, 3, 1), 51, np.uint8)) == ((0.2,), (1.0,))


def test_dark_on_light_trains_as_well_as_light_on_dark():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    images = rng.integers(0, 40, (200, 16, 16)).astype(np.uint8)
    images[labels == 0, 5:11, 2:14] += 100
    images[labels == 1, 2:14, 5:11] += 100

    def losses(pixels):
        data = with_normalization(nn.ImageDataset.from_arrays(pixels, labels))
        model = nn.Sequential([nn.Flatten(), nn.Dense(16, activation="relu"), nn.Dense(2)])
        history = model.fit(data, epochs=5, verbose=0, optimizer=nn.SGD(0.02))
        assert model.preprocessing.mean == data.preprocessing.mean
        return history.history["loss"]

    light, dark = losses(images), losses(255 - images)
    assert light[-1] < 0.05
    assert dark[-1] < 0.05


def test_it_keeps_everything_else():
    data = nn.ImageDataset.from_arrays(np.arange(8, dtype=np.uint8).reshape(2, 2, 2), [0, 1])
    changed = with_normalization(data)
    assert changed.images is data.images
    assert changed.preprocessing.input_shape == (2, 2, 1)
    assert data.preprocessing.mean is None
    np.testing.assert_allclose(changed.preprocessing.mean, 3.5 / 255)
