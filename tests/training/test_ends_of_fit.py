"""`Sequential.fit`: how it ends, how it goes on, and who is told of it."""

from __future__ import annotations

import math
import signal
import threading
import time

import numpy as np
import pytest

from nncore.errors import TrainingError
from nncore.layers import Dense
from nncore.optimizers import SGD
from nncore.training.callbacks import Callback
from nncore.training.loop import NonFiniteLossError
from nncore.training.model import Sequential
from small_fits import blobs, fit, small_model, weights

# -- ends of training


@pytest.mark.filterwarnings("ignore:x holds floats")
def test_loss_that_is_not_finite_stops_with_the_likely_cause():
    x = np.random.default_rng(0).normal(0, 1e18, (96, 4, 4)).astype(np.float32)
    model = small_model()
    with pytest.raises(NonFiniteLossError) as caught:
        fit(model, x=x, y=blobs()[1], loss="mse", optimizer=SGD(0.5))
    error = caught.value
    assert isinstance(error, TrainingError)
    assert error.epoch == 1
    assert error.iteration in (1, 2, 3)
    assert f"epoch 1, iteration {error.iteration}" in str(error)
    assert "learning rate 0.5 is probably too high; try 0.05" in str(error)
    assert "float images are used as they are" in str(error)
    assert error.history is model.history
    assert len(error.history) == 0


class Ruin(Callback):
    """Makes the weights so large, after an epoch, that the next loss overflows."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.seen = []

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            self.model.set_weights([np.full_like(w, 3e38) for w in self.model.get_weights()])

    def on_train_end(self):
        self.seen.append("end")

    def on_train_error(self, error):
        self.seen.append(error)


def test_divergence_later_on_keeps_the_history():
    model, ruin = small_model(), Ruin(2)
    with pytest.raises(NonFiniteLossError, match="epoch 3, iteration 1") as caught:
        fit(model, loss="mse", optimizer=SGD(0.01), epochs=5, callbacks=[ruin])
    assert caught.value.history.epoch == [1, 2]
    assert model.history.epoch == [1, 2]
    assert ruin.seen == [caught.value]


def test_divergence_with_restore_best_weights_leaves_a_good_model():
    model = small_model()
    with pytest.raises(NonFiniteLossError):
        fit(model, loss="mse", epochs=5, callbacks=[Ruin(2)], restore_best_weights=True)
    assert np.abs(model.get_weights()[0]).max() < 100


@pytest.mark.filterwarnings("ignore:x holds floats")
def test_overflow_in_the_last_update_is_found():
    # One step: the loss before it is finite, the weights after it are not.
    model = Sequential([Dense(1, use_bias=False)])
    x, y = np.full((1, 1), 1e10, np.float32), [0]
    model.build((1,))
    model.set_weights([[[1.0]]])
    with pytest.raises(NonFiniteLossError, match="after epoch 1") as caught:
        model.fit(x, y, epochs=1, loss="mse", optimizer=SGD(1e25), verbose=0)
    assert caught.value.iteration is None


class Interrupt(Callback):
    def __init__(self, epoch):
        self.epoch, self.seen = epoch, []

    def on_epoch_end(self, epoch, logs):
        self.seen.append(epoch)
        if epoch == self.epoch:
            raise KeyboardInterrupt

    def on_train_end(self):
        self.seen.append("end")


def test_interrupt_between_epochs_returns_what_was_trained():
    model, two = small_model(), small_model()
    stopper = Interrupt(2)
    history = fit(model, epochs=5, callbacks=[stopper])
    assert history.epoch == [1, 2]
    assert model.interrupted
    assert stopper.seen == [1, 2, "end"]
    fit(two, epochs=2)
    assert not two.interrupted
    assert weights(model) == weights(two)


def interrupt_after(monkeypatch, model, calls):
    """Send this process a Ctrl-C while the engine takes a block of steps for the n-th time."""
    network = model._built_network()
    steps, count = network.train_steps, [0]

    class Watched:
        def __getattr__(self, name):
            return getattr(network, name)

        def train_steps(self, *arguments, **named):
            count[0] += 1
            if count[0] == calls:
                # Not os.kill: that may give it to another thread, which takes it when it comes by.
                signal.raise_signal(signal.SIGINT)
            return steps(*arguments, **named)

    monkeypatch.setattr(model, "_network", Watched())


def test_ctrl_c_within_an_epoch_can_be_resumed_to_the_same_bits(monkeypatch):
    # One step per block, so that the interrupt falls into the middle of an epoch.
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    settings = {"batch_size": 8, "validation_data": blobs(30, 1)}
    whole, model = small_model(), small_model()
    complete = fit(whole, epochs=4, **settings)
    model.build((4, 4, 1))
    with monkeypatch.context() as patch:
        interrupt_after(patch, model, 12 + 5)
        history = fit(model, epochs=4, **settings)
    assert model.interrupted
    assert history.epoch == [1]
    assert weights(model) != weights(whole)
    fit(model, epochs=3, history=history, **settings)
    assert not model.interrupted
    assert weights(model) == weights(whole)
    assert history.history == complete.history
    assert history.iteration_loss == complete.iteration_loss


def test_interrupted_epoch_is_not_continued_under_other_settings(monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    # A learning rate so small that the losses depend on the shuffle alone.
    tiny = SGD(1e-12)
    two_epochs = fit(small_model(), epochs=2, batch_size=16, optimizer=tiny)
    model = small_model()
    model.build((4, 4, 1))
    with monkeypatch.context() as patch:
        interrupt_after(patch, model, 2)
        fit(model, epochs=1, batch_size=8, optimizer=tiny)
    history = fit(model, epochs=1, batch_size=16, optimizer=tiny)
    # A whole epoch, in the order of the second one: the first was begun already.
    assert history.iteration_loss == pytest.approx(two_epochs.iteration_loss[6:], abs=1e-6)
    assert history.iteration_loss != pytest.approx(two_epochs.iteration_loss[:6], abs=1e-3)


def test_ctrl_c_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    fit(small_model(), epochs=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_fit_works_in_a_thread():
    model = small_model()
    thread = threading.Thread(target=fit, args=[model])
    thread.start()
    thread.join(10)
    assert len(model.history) == 3


# -- callbacks, best weights, progress


class Recorder(Callback):
    def __init__(self, stop_after=None):
        self.calls, self.stop_after = [], stop_after

    def on_train_begin(self):
        self.calls.append(("begin", self.model.built))

    def on_epoch_end(self, epoch, logs):
        self.calls.append((epoch, dict(logs)))
        self.model.stop_training = epoch == self.stop_after

    def on_train_end(self):
        self.calls.append("end")


def test_callbacks_see_every_epoch():
    recorder = Recorder()
    history = fit(small_model(), validation_data=blobs(30, 1), callbacks=[recorder])
    assert recorder.calls[0] == ("begin", True)
    assert recorder.calls[-1] == "end"
    assert [epoch for epoch, _ in recorder.calls[1:-1]] == [1, 2, 3]
    for row, (_, logs) in enumerate(recorder.calls[1:-1]):
        expected = {name: values[row] for name, values in history.history.items()}
        assert logs == expected | {"learning_rate": 0.1}


def test_callback_can_stop_training():
    model = small_model()
    history = fit(model, epochs=10, callbacks=[Recorder(stop_after=2)])
    assert history.epoch == [1, 2]
    assert not model.interrupted
    assert len(fit(model, epochs=1)) == 1


def test_error_in_a_callback_ends_fit():
    class Broken(Recorder):
        def on_epoch_end(self, epoch, logs):
            raise RuntimeError("broken callback")

        def on_train_error(self, error):
            self.calls.append(str(error))

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken callback"):
        fit(small_model(), callbacks=[broken])
    assert broken.calls == [("begin", True), "broken callback"]


def test_restore_best_weights():
    class Keep(Callback):
        def __init__(self):
            self.weights = {}

        def on_epoch_end(self, epoch, logs):
            if epoch == 3:  # From here on it gets worse.
                self.model.set_weights([w * 30 for w in self.model.get_weights()])
            self.weights[epoch] = weights(self.model)

    for restore in (True, False):
        model, keep = small_model(), Keep()
        history = fit(
            model,
            epochs=5,
            validation_data=blobs(30, 1),
            callbacks=[keep],
            optimizer=SGD(0.01),
            restore_best_weights=restore,
        )
        # Of epoch 3 the weights before the callback spoiled them are the best.
        assert history.best_epoch() == 3
        if not restore:
            assert weights(model) == keep.weights[5]
        else:
            assert model.evaluate(*blobs(30, 1)).loss == pytest.approx(
                history.history["val_loss"][2]
            )


def test_lines_of_progress_go_to_standard_error(capsys):
    fit(small_model(), epochs=2, verbose=1, validation_data=blobs(30, 1))
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("val_accuracy" in line for line in lines)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_counts_on_where_a_history_stands(monkeypatch, capsys, terminal):
    model = small_model()
    history = fit(model, epochs=2)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    fit(model, epochs=2, verbose=1, history=history)
    shown = capsys.readouterr().err
    assert "epoch 4/4" in shown
    assert "epoch 1/" not in shown
    assert "epoch 2/" not in shown


def test_silence(capsys):
    fit(small_model(), verbose=0)
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(small_model(), epochs=2, verbose="auto", validation_data=blobs(30, 1))
    shown = capsys.readouterr().err
    assert "epoch 2/2 100%" in shown
    assert "val: loss" in shown


def test_seconds_are_measured():
    start = time.perf_counter()
    history = fit(small_model())
    assert 0 < sum(history.seconds) <= time.perf_counter() - start
    assert all(map(math.isfinite, history.seconds))
