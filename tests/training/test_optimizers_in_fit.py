"""Optimizers and schedules in `fit`: bits, continuing, averages, the learning rate on record."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.optimizers import OPTIMIZERS as OPTIMIZERS_BY_NAME
from nncore.optimizers import Optimizer, checked_optimizer
from nncore.schedules import Constant
from nncore.training.callbacks import Callback

OPTIMIZERS = {
    "momentum": nn.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": nn.RMSprop(0.003),
    "adam": nn.Adam(0.01),
    "adamw": nn.AdamW(0.01, global_clipnorm=0.5, use_ema=True),
    "clipnorm": nn.SGD(0.2, clipnorm=0.1),
}


def blobs(n=96, seed=0, classes=3):
    """uint8 (n, 4, 4): class k is bright in row k."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(0, 120, (n, 4, 4))
    images[np.arange(n), labels] += 90
    return images.astype(np.uint8), labels


def small_model(hidden=8):
    return nn.Sequential([nn.Flatten(), nn.Dense(hidden, "relu"), nn.Dense(3)])


def fit(model, **settings):
    return model.fit(*blobs(), **({"verbose": 0, "epochs": 3, "batch_size": 8} | settings))


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name):
    history = fit(
        small_model(), epochs=30, optimizer=OPTIMIZERS[name], validation_data=blobs(30, 1)
    )
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert history.history["val_accuracy"][-1] > 0.9


@pytest.mark.parametrize("name", ["sgd", "Adam", "ADAMW", "rmsprop"])
def test_an_optimizer_by_name(name):
    made = checked_optimizer(name)
    assert type(made).__name__.lower() == name.lower()
    assert made == type(made)()
    images, labels = blobs()

    def trained(optimizer):
        model = small_model()
        fit(model, epochs=1, optimizer=optimizer)
        model.train_step(images, labels, optimizer=optimizer)
        model.compute_gradients(images, labels)
        model.apply_gradients(optimizer)
        model.explain_step(images, labels, optimizer=optimizer, print=False)
        nn.lr_find(model, images, labels, optimizer=optimizer, steps=10)
        return model

    one, other = trained(name), trained(made)
    assert weights(one) == weights(other)
    assert one.optimizer == made


def test_a_name_of_no_optimizer():
    with pytest.raises(ValueError, match="unknown optimizer 'Lion'; known: sgd, adam, adamw, rms"):
        fit(small_model(), optimizer="Lion")
    with pytest.raises(ValueError, match="unknown optimizer ''"):
        fit(small_model(), optimizer="")


def test_every_optimizer_has_its_name():
    own = [kind for kind in Optimizer.kinds().values() if kind.__module__ == Optimizer.__module__]
    assert sorted(map(id, OPTIMIZERS_BY_NAME.values())) == sorted(map(id, own))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_same_bits(name, same_everywhere):
    def compute():
        model = small_model(500)  # large enough for a team of threads
        fit(model, batch_size=48, epochs=2, optimizer=OPTIMIZERS[name])
        return weights(model)

    same_everywhere(compute)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_continuing_equals_training_at_once(name):
    whole, parts = small_model(), small_model()
    optimizer = OPTIMIZERS[name]
    complete = fit(whole, epochs=5, optimizer=optimizer)
    history = fit(parts, epochs=2, optimizer=optimizer)
    fit(parts, epochs=3, optimizer=optimizer, history=history)
    assert weights(whole) == weights(parts)
    assert history.history == complete.history
    # It is the state that makes them equal.
    fresh = small_model()
    fit(fresh, epochs=2, optimizer=optimizer)
    if optimizer.method != "sgd" or optimizer.momentum:
        fresh.optimizer_state = nn.training.OptimizerState()
        fit(fresh, epochs=3, optimizer=optimizer)
        assert weights(fresh) != weights(whole)


def test_plain_sgd_is_the_same_as_without_all_this():
    plain, constant = small_model(), small_model()
    fit(plain, optimizer=nn.SGD(0.1))
    fit(constant, optimizer=nn.SGD(Constant(0.1)))
    assert weights(plain) == weights(constant)
    assert plain.optimizer_state.arrays == {}


def test_block_length_does_not_change_the_result(monkeypatch):
    results = []
    for seconds in (0.0, 0.05, 1e9):
        monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", seconds)
        model = small_model()
        fit(model, optimizer=nn.Adam(nn.Warmup(nn.CosineDecay(0.02), 5)))
        results.append(weights(model))
    assert results[0] == results[1] == results[2]


def test_learning_rates_are_those_of_the_schedule():
    # 12 iterations per epoch, 36 in all.
    schedule = nn.OneCycle(0.1)
    history = fit(small_model(), optimizer=nn.SGD(schedule))
    assert history.learning_rate == [schedule.rate(step, 36) for step in (11, 23, 35)]
    history = fit(small_model(), optimizer=nn.SGD(0.25))
    assert history.learning_rate == [0.25] * 3


def test_schedule_goes_on_with_a_history_and_begins_anew_without():
    optimizer = nn.SGD(nn.StepDecay(0.1, 12, 0.5), momentum=0.5)
    model, whole = small_model(), small_model()
    fit(whole, epochs=4, optimizer=optimizer)
    history = fit(model, epochs=2, optimizer=optimizer)
    fit(model, epochs=2, optimizer=optimizer, history=history)
    assert history.learning_rate == [0.1, 0.05, 0.025, 0.0125]
    assert weights(model) == weights(whole)
    assert fit(model, epochs=2, optimizer=optimizer).learning_rate == [0.1, 0.05]


def test_schedule_reaches_the_weights():
    # All but the first epoch have a learning rate of zero, nearly.
    model, short = small_model(), small_model()
    optimizer = nn.SGD(nn.StepDecay(0.1, 12, 1e-30))
    fit(model, epochs=3, optimizer=optimizer)
    fit(short, epochs=1, optimizer=nn.SGD(0.1))
    assert weights(model) == weights(short)


class Watch(Callback):
    def __init__(self):
        self.weights, self.losses = [], []

    def on_epoch_end(self, epoch, logs):
        self.weights.append(weights(self.model))
        self.losses.append(self.model.evaluate(*blobs(30, 1)).loss)


def test_average_is_what_is_measured_and_saved(tmp_path):
    averaged, raw, watch = small_model(), small_model(), Watch()
    history = fit(
        averaged,
        optimizer=nn.SGD(0.1, use_ema=True, ema_momentum=0.9),
        validation_data=blobs(30, 1),
        callbacks=[watch],
    )
    fit(raw, optimizer=nn.SGD(0.1), validation_data=blobs(30, 1))
    # The training goes its way, the model has the average.
    assert history.iteration_loss == raw.history.iteration_loss
    assert history.history["val_loss"] != raw.history.history["val_loss"]
    assert weights(averaged) == watch.weights[-1] != weights(raw)
    assert history.history["val_loss"] == pytest.approx(watch.losses)
    kept = averaged.optimizer_state.arrays["dense/kernel/average"]
    assert kept.tobytes() == raw.layers[1].kernel.tobytes()
    averaged.save(tmp_path / "m.safetensors")
    assert weights(nn.load(tmp_path / "m.safetensors")) == weights(averaged)


@pytest.mark.filterwarnings("ignore:x holds floats")
def test_non_finite_loss_names_the_learning_rate_of_the_step():
    x = np.random.default_rng(0).normal(0, 1e18, (96, 4, 4)).astype(np.float32)
    with pytest.raises(nn.TrainingError, match=r"learning rate 0\.25 is probably too high"):
        small_model().fit(
            x, blobs()[1], loss="mse", verbose=0, optimizer=nn.SGD(nn.StepDecay(0.25, 1000))
        )
