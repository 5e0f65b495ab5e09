"""`model.forward`: what the last layer gives."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn

RNG = np.random.default_rng(3)
IMAGES = RNG.random((37, 6, 5, 1), np.float32)
LABELS = np.arange(37) % 3


def trained(*layers: nn.Layer) -> nn.Sequential:
    model = nn.Sequential([nn.Flatten(), *layers])
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    return model


def test_logits_are_the_products_of_the_layers():
    model = trained(nn.Dense(7, activation="relu"), nn.Dense(3))
    first, bias, second, last_bias = (one.astype(np.float64) for one in model.get_weights())
    hidden = np.maximum(IMAGES.reshape(37, -1) @ first + bias, 0)
    found = model.forward(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, hidden @ second + last_bias, atol=1e-5)
    # One image, and bytes as files have them.
    np.testing.assert_array_equal(model.forward(IMAGES[0]), found[:1])


def test_probabilities_are_made_of_them():
    model = trained(nn.Dense(3))
    model.temperature = 1.7
    made = nn.kernels.softmax(model.forward(IMAGES) * np.float32(1 / 1.7))
    np.testing.assert_allclose(made, model.predict_proba(IMAGES), rtol=1e-6)


def test_a_softmax_that_is_a_layer_is_within():
    model = trained(nn.Dense(3, activation="softmax"))
    np.testing.assert_allclose(model.forward(IMAGES).sum(axis=1), 1, rtol=1e-6)


def test_wrong_images():
    model = trained(nn.Dense(3))
    with pytest.raises(ValueError, match="6, 5"):
        model.forward(IMAGES[:, :5])
    with pytest.raises(ValueError, match="not built"):
        nn.Sequential([nn.Flatten(), nn.Dense(3)]).forward(IMAGES)
