"""Ctrl-C again and again, with more threads than CPUs: no hang, and the model can be used."""

import contextlib
import random
import signal
import threading

import numpy as np
import pytest

import nncore as nn


@pytest.fixture
def threads():
    before = nn.get_num_threads()
    yield nn.set_num_threads
    nn.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_ctrl_c_at_random_moments_always_ends_fit(threads, count):
    threads(count)
    chance = random.Random(count)
    rng = np.random.default_rng(0)
    images = rng.random((256, 12, 12, 3), dtype=np.float32)
    labels = rng.integers(0, 4, 256)
    model = nn.Sequential(
        [nn.Conv2D(16, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(4)]
    )
    model.fit(images, labels, epochs=1, verbose=0)
    stopped = 0  # in the middle of a training
    for _ in range(12):
        before = model.get_weights()
        timer = threading.Timer(
            chance.uniform(0.005, 0.03),
            signal.pthread_kill,
            (threading.main_thread().ident, signal.SIGINT),
        )
        # Before `fit` watches signals, this is what one does.
        with contextlib.suppress(KeyboardInterrupt):
            timer.start()
            model.fit(images, labels, epochs=1_000_000, verbose=0)
            assert model.interrupted
        timer.join()
        assert all(np.isfinite(weights).all() for weights in model.get_weights())
        stopped += any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert stopped > 0
    assert model.predict_proba(images).shape == (256, 4)
