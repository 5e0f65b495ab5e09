"""The search for a learning rate, and its plot."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import nncore as nn


def blobs(n=96, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 120, (n, 4, 4))
    images[np.arange(n), labels] += 90
    return images.astype(np.uint8), labels


def small_model():
    return nn.Sequential([nn.Flatten(), nn.Dense(8, "relu"), nn.Dense(3)])


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.parametrize("optimizer", [None, nn.SGD(momentum=0.9), nn.Adam()])
def test_the_suggestion_trains(optimizer):
    model = small_model()
    found = nn.lr_find(model, *blobs(), batch_size=16, optimizer=optimizer)
    assert 1e-4 < found.suggestion < 5
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 200
    assert found.rates[0] == pytest.approx(1e-6)
    assert (np.diff(np.log(found.rates)) > 0).all()
    kind = type(optimizer or nn.SGD())
    history = model.fit(*blobs(), epochs=20, optimizer=kind(found.suggestion), verbose=0)
    assert history.history["accuracy"][-1] > 0.8


@pytest.mark.filterwarnings("ignore:x holds floats")
def test_it_stops_where_training_fails():
    found = nn.lr_find(small_model(), *blobs(), loss="mse", start=1e-4, end=1e6)
    assert found.rates[-1] < 1e4
    assert np.isfinite(found.losses).all()
    x = np.full((8, 4, 4), 1e19, np.float32)
    with pytest.raises(nn.TrainingError, match=r"failed at once.*try a lower start"):
        nn.lr_find(small_model(), x, np.arange(8) % 3, loss="mse", start=1, end=10)


def test_the_model_is_left_as_it_was():
    model, twin = small_model(), small_model()
    optimizer = nn.Adam(0.01, use_ema=True)
    for one in (model, twin):
        one.fit(*blobs(), epochs=2, optimizer=optimizer, verbose=0)
    before = weights(model)
    nn.lr_find(model, *blobs(), optimizer=optimizer)
    assert weights(model) == before
    for one in (model, twin):
        one.fit(*blobs(), epochs=2, optimizer=optimizer, verbose=0)
    assert weights(model) == weights(twin)


def test_the_same_seed_sees_the_same():
    first, second, third = (nn.lr_find(small_model(), *blobs(), seed=s) for s in (0, 0, 1))
    assert (first.losses == second.losses).all()
    assert len(first.losses) != len(third.losses) or (first.losses != third.losses).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 0}, "start must be"),
        ({"start": 1.0, "end": 0.1}, "end must be"),
        ({"steps": 3}, "steps must be at least 10"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"loss": "hinge"}, "unknown loss"),
    ],
)
def test_bad_settings(settings, message):
    model = small_model()
    with pytest.raises(ValueError, match=message):
        nn.lr_find(model, *blobs(), **settings)
    assert not model.built


def test_plot(tmp_path):
    found = nn.lr_find(small_model(), *blobs())
    figure = found.plot(tmp_path / "rates.png")
    Image.open(tmp_path / "rates.png").verify()
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    marked = axes.lines[-1].get_xdata()
    assert list(marked) == [found.suggestion]
    with pytest.raises(TypeError, match="lr_find"):
        nn.plots.learning_rates(3)
    with pytest.raises(ValueError, match=r"\.doc|png"):
        found.plot(tmp_path / "rates.doc")
