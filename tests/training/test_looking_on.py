"""What callbacks are told within epochs, and how they and other threads end a training."""

from __future__ import annotations

import signal
import threading

import pytest

from nncore.training.callbacks import Callback, FitSize
from nncore.training.interrupt import Interrupt
from nncore.training.model import Sequential
from small_fits import blobs, fit, small_model, weights


class Watcher(Callback):
    def __init__(self):
        self.sizes, self.calls = [], []

    def set_size(self, size):
        self.sizes.append(size)

    def on_train_begin(self):
        self.calls.append("begin")

    def on_steps_end(self, epoch, steps, loss):
        self.calls.append((epoch, steps, loss))

    def on_epoch_end(self, epoch, logs):
        self.calls.append((epoch, logs["loss"]))


@pytest.fixture
def single_steps(monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)


def test_every_block_is_told_with_the_mean_loss_so_far(single_steps):
    watcher, model = Watcher(), small_model()
    x, y = blobs(40)
    history = fit(model, x=x, y=y, epochs=2, batch_size=16, callbacks=[watcher])
    assert watcher.sizes == [FitSize(epochs=2, steps=3, images=40, batch_size=16)]
    told = [call[:2] for call in watcher.calls[1:] if len(call) == 3]
    assert told == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    first, second, third = (call[2] for call in watcher.calls[1:4])
    losses = history.iteration_loss
    assert first == losses[0]
    assert second == pytest.approx((losses[0] + losses[1]) / 2)
    # The third step has 8 of the 40 images. Then the epoch ends.
    assert third == pytest.approx((16 * losses[0] + 16 * losses[1] + 8 * losses[2]) / 40)
    assert watcher.calls[4] == (1, third)


def test_what_was_trained_before_is_told(single_steps):
    model, watcher = small_model(), Watcher()

    class Stop(Callback):
        def on_steps_end(self, epoch, steps, loss):
            if (epoch, steps) == (2, 4):
                self.model.interrupt()

    history = fit(model, epochs=3, batch_size=8, callbacks=[Stop()])
    assert model.interrupted
    fit(model, epochs=2, batch_size=8, callbacks=[watcher], history=history)
    assert watcher.sizes == [FitSize(2, 12, 96, 8, before=1, steps_before=4)]
    assert watcher.calls[1][:2] == (2, 5)
    assert watcher.calls[-1][0] == 3


def test_images_after_steps():
    size = FitSize(1, 3, 40, 16)
    assert [size.images_after(steps) for steps in range(4)] == [0, 16, 32, 40]


def test_another_thread_can_end_it_and_it_goes_on_to_the_same_bits(single_steps):
    whole, model = small_model(), small_model()
    fit(whole, epochs=3, batch_size=8)

    class Other(Callback):
        def on_steps_end(self, epoch, steps, loss):
            if (epoch, steps) == (2, 7):
                thread = threading.Thread(target=self.model.interrupt)
                thread.start()
                thread.join()

    history = fit(model, epochs=3, batch_size=8, callbacks=[Other()])
    assert (model.interrupted, model.interrupt_signal) == (True, signal.SIGINT)
    assert history.epoch == [1]
    fit(model, epochs=2, batch_size=8, history=history)
    assert weights(model) == weights(whole)


def test_a_training_in_a_thread_can_be_ended_too():
    model, begun = small_model(), threading.Event()

    class Begin(Callback):
        def on_epoch_end(self, epoch, logs):
            begun.set()

    thread = threading.Thread(
        target=fit, args=[model], kwargs={"epochs": 10**6, "callbacks": [Begin()]}
    )
    thread.start()
    assert begun.wait(10)
    model.interrupt()
    thread.join(10)
    assert not thread.is_alive()
    assert model.interrupted


def test_ended_in_its_last_step_it_is_interrupted_all_the_same(single_steps):
    class Late(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 3:
                self.model.interrupt()

    model = small_model()
    assert len(fit(model, callbacks=[Late()])) == 3
    assert model.interrupted


def test_without_a_training_nothing_is_ended():
    model = small_model()
    model.interrupt()
    assert len(fit(model)) == 3
    model.interrupt()
    assert len(fit(model)) == 3
    assert not model.interrupted


def test_ctrl_c_after_being_asked_is_still_the_first_one():
    with Interrupt() as interrupt:
        interrupt.ask()
        signal.raise_signal(signal.SIGINT)  # the second one would raise here
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        interrupt._asked, interrupt.requested = False, None


def test_the_model_of_a_callback_knows_its_classes_and_predicts():
    x, _ = blobs()

    class Ask(Callback):
        def on_steps_end(self, epoch, steps, loss):
            assert list(self.model.classes.names) == ["0", "1", "2"]
            assert self.model.predict_proba(x[:2]).shape == (2, 3)

    plain, asked = small_model(), small_model()
    assert isinstance(asked, Sequential)
    fit(plain)
    fit(asked, callbacks=[Ask()])
    assert weights(asked) == weights(plain)
