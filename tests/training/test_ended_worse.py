"""A training whose loss ends above where it began says so, and what to try."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.training.ended_worse import ended_worse

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(int) + 2 * (X[:, 1] > 1)


def fit(optimizer, epochs=4, **more):
    model = nn.Sequential([nn.Dense(4)])
    return model.fit(X, Y, epochs=epochs, batch_size=10, optimizer=optimizer, **more)


@pytest.mark.parametrize(
    ("optimizer", "loss"),
    [
        (nn.SGD(100.0), "cross_entropy"),
        (nn.SGD(20.0, momentum=0.9), "cross_entropy"),
        (nn.Adam(30.0), "cross_entropy"),
        (nn.SGD(0.8), "mse"),
        (nn.SGD(nn.CosineDecay(100.0, 24)), "cross_entropy"),
    ],
)
def test_a_rate_that_is_too_high(capsys, optimizer, loss):
    history = fit(optimizer, loss=loss)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"nncore: warning: {ended_worse(history)}"
    assert f"began at {history.iteration_loss[0]:.4g} and ended at" in told
    # Not that of the last step: a schedule has lowered it by then.
    highest = max(history.learning_rate)
    assert f"the learning rate, {highest:.3g} at its highest, is probably too high" in told
    assert f"try {highest / 10:.2g}, or" in told


@pytest.mark.parametrize("optimizer", [nn.SGD(0.1), nn.Adam(0.01), nn.SGD(1e-9), nn.SGD(3.0)])
def test_others_are_met_with_silence(capsys, optimizer):
    history = fit(optimizer)
    assert ended_worse(history) is None
    assert "warning" not in capsys.readouterr().err


def test_verbose_0_is_silent(capsys):
    fit(nn.SGD(100.0), verbose=0)
    assert capsys.readouterr().err == ""


def test_a_beginning_from_a_trained_model_counts():
    model = nn.Sequential([nn.Dense(4)])
    model.fit(X, Y, epochs=30, optimizer=nn.SGD(0.5), verbose=0)
    assert ended_worse(model.fit(X, Y, epochs=2, optimizer=nn.SGD(30.0), verbose=0)) is not None


def test_one_epoch_alone_must_be_much_worse():
    history = nn.History("mse", 2)
    history.append_epoch(1.5, 0.5, iteration_loss=[1.0, 2.0], learning_rate=0.1)
    assert ended_worse(history) is None
    history.append_epoch(1.5, 0.5, iteration_loss=[1.5, 1.5], learning_rate=0.1)
    assert "try 0.01" in (ended_worse(history) or "")


def test_nothing_to_judge_by():
    assert ended_worse(nn.History("mse", 2)) is None
    history = nn.History("mse", 2)
    history.append_epoch(9.0, 0.5)
    assert ended_worse(history) is None
