"""How a model is left when an error ends `fit`."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn


def data(images: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, images)
    return (rng.normal(size=(images, 3)) + y[:, None]).astype(np.float32), y


class Fails(nn.Callback):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            raise RuntimeError("the callback failed")


class FailsWithinAnEpoch(Fails):
    def on_epoch_end(self, epoch, logs): ...

    def on_block_end(self):
        if len(self.model.history) == self.epoch:
            raise RuntimeError("the callback failed")


@pytest.mark.parametrize("failing", [Fails(2), FailsWithinAnEpoch(1)])
def test_an_error_leaves_the_averaged_weights(failing, monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    x, y = data()
    model = nn.Sequential([nn.Dense(4, activation="relu"), nn.Dense(2)])
    optimizer = nn.SGD(0.1, use_ema=True, ema_momentum=0.9)
    with pytest.raises(RuntimeError, match="the callback failed"):
        model.fit(x, y, epochs=3, batch_size=8, optimizer=optimizer, verbose=0, callbacks=[failing])
    assert model.optimizer_state.shows_average


def test_the_callback_that_hears_of_an_error_sees_the_averaged_weights():
    shown = []

    class Listens(Fails):
        def on_train_error(self, error):
            shown.append(self.model.optimizer_state.shows_average)

    x, y = data()
    model = nn.Sequential([nn.Dense(2)])
    with pytest.raises(RuntimeError):
        model.fit(
            x, y, epochs=2, optimizer=nn.SGD(0.1, use_ema=True), verbose=0, callbacks=[Listens(1)]
        )
    assert shown == [True]


def test_no_bar_is_left_open_when_building_fails(monkeypatch):
    made, closed = [], []

    class Bar:
        def __init__(self, *args):
            made.append(self)

        def close(self):
            closed.append(self)

    monkeypatch.setattr("nncore.training.progress.Bar", Bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    x, y = data()
    model = nn.Sequential([nn.Dense(2)])

    def build(*args):
        raise MemoryError

    monkeypatch.setattr(model, "build", build)
    with pytest.raises(MemoryError):
        model.fit(x, y)
    assert made == closed


def test_a_bar_is_closed_when_a_callback_fails_at_the_beginning(monkeypatch):
    made, closed = [], []

    class Bar:
        def __init__(self, *args):
            made.append(self)

        def close(self):
            closed.append(self)

    class FailsAtOnce(nn.Callback):
        def on_train_begin(self):
            raise RuntimeError

    monkeypatch.setattr("nncore.training.progress.Bar", Bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    x, y = data()
    with pytest.raises(RuntimeError):
        nn.Sequential([nn.Dense(2)]).fit(x, y, callbacks=[FailsAtOnce()])
    assert len(made) == 1
    assert made == closed
