"""Each optimizer against the float64 reference, and the state that it leaves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import nncore as nn
from nncore import _core
from nncore.training.optimizer_state import OptimizerState
from reference_optimizers import REFERENCES

EPSILON = 2.0**-24
STEPS = 10

OPTIMIZERS = {
    "plain": nn.SGD(0.1),
    "decay": nn.SGD(0.1, weight_decay=0.05),
    "momentum": nn.SGD(0.05, momentum=0.9),
    "nesterov": nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": nn.RMSprop(0.01),
    "rmsprop_momentum": nn.RMSprop(0.01, rho=0.99, momentum=0.7, epsilon=1e-3),
    "adam": nn.Adam(0.01),
    "adam_settings": nn.Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-2),
    "adamw": nn.AdamW(0.01),
    "clipnorm": nn.SGD(0.1, clipnorm=0.2),
    "global_clipnorm": nn.Adam(0.01, global_clipnorm=0.1),
    "ema": nn.Adam(0.01, use_ema=True, ema_momentum=0.7),
}


def make_model():
    model = nn.Sequential([nn.Dense(33, activation="tanh"), nn.Dense(5)])
    model.build(20, seed=3)
    return model


def batch(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(24, 20)).astype(np.float32), rng.integers(0, 5, 24)


def reference_of(optimizer, weights):
    fields = dataclasses.asdict(optimizer)
    del fields["learning_rate"], fields["use_ema"]
    return REFERENCES[type(optimizer).__name__](weights, **fields)


def gradients(model):
    network = model._built_network()
    return [network.get_gradient(name) for name in network.parameter_names()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_against_the_reference(name, isa):
    # The reference is given the same gradients, so that only the roundings of the updates differ:
    # up to 16 per step, of a weight or of what is added to it.
    optimizer, model = OPTIMIZERS[name], make_model()
    reference = reference_of(optimizer, model.get_weights())
    size = [np.abs(w).astype(np.float64) for w in reference.weights]
    for seed in range(STEPS):
        model.compute_gradients(*batch(seed))
        before = [w.copy() for w in reference.weights]
        reference.step(gradients(model), optimizer.learning_rate)
        model.apply_gradients(optimizer)
        for total, w, old in zip(size, reference.weights, before, strict=True):
            total += np.abs(w - old)
    for actual, exact, magnitude in zip(model.get_weights(), reference.weights, size, strict=True):
        assert (np.abs(actual - exact) <= 16 * STEPS * EPSILON * (magnitude + 0.01)).all()
    if optimizer.use_ema:
        model._built_network().show_average(True)
        for actual, exact in zip(model.get_weights(), reference.average, strict=True):
            assert np.abs(actual - exact).max() <= 16 * STEPS * EPSILON


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_references_differ_where_the_settings_do(name):
    # The bound above would mean nothing if it did not tell the optimizers apart.
    optimizer, weights = OPTIMIZERS[name], make_model().get_weights()
    results = []
    for other in OPTIMIZERS.values():
        reference = reference_of(other, weights)
        for seed in range(STEPS):
            rng = np.random.default_rng(seed)
            reference.step([rng.normal(size=w.shape) for w in weights], other.learning_rate)
        shown = reference.average if other.use_ema else reference.weights
        results.append((other, np.concatenate([w.ravel() for w in shown])))
    own = next(values for other, values in results if other is optimizer)
    for other, values in results:
        assert other is optimizer or np.abs(values - own).max() > 2e-5


def test_fit_takes_the_same_steps_as_the_reference():
    x, y = batch()
    model, optimizer = make_model(), nn.Adam(0.01)
    reference = reference_of(optimizer, model.get_weights())
    twin = make_model()
    for _ in range(STEPS):
        # The epoch has one batch, whose order does not matter beyond roundings.
        twin.compute_gradients(x, y)
        reference.step(gradients(twin), 0.01)
        twin.set_weights([w.astype(np.float32) for w in reference.weights])
    model.fit(x, y, batch_size=24, epochs=STEPS, optimizer=optimizer, verbose=0)
    for actual, exact in zip(model.get_weights(), reference.weights, strict=True):
        assert np.abs(actual - exact).max() < 1e-4
    assert model.optimizer_state.steps == STEPS


def test_state_can_be_read_and_set():
    x, y = batch()
    optimizer = nn.SGD(0.1, momentum=0.5)
    model, twin = make_model(), make_model()
    assert model.optimizer_state.arrays == {}
    model.train_step(x, y, optimizer=optimizer)
    state = model.optimizer_state
    assert state.method == "sgd"
    assert state.steps == 1
    assert state.slots == ("velocity",)
    assert sorted(state.arrays) == [
        "dense/bias/velocity",
        "dense/kernel/velocity",
        "dense_1/bias/velocity",
        "dense_1/kernel/velocity",
    ]
    # After the first step the velocity is the step itself.
    step = model.layers[0].kernel - twin.layers[0].kernel
    assert np.allclose(state.arrays["dense/kernel/velocity"], step, atol=1e-7)
    twin.set_weights(model.get_weights())
    twin.optimizer_state = state
    for one in (model, twin):
        one.train_step(x, y, optimizer=optimizer)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    twin.optimizer_state = OptimizerState()
    assert twin.optimizer_state.arrays == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps must be at least 0"),
        ({"method": "adagrad"}, "known: sgd, rmsprop, adam"),
        ({"arrays": {"dense/kernel/velocity": np.zeros((20, 33))}}, "expected the arrays"),
        ({"arrays": {"dense/kernel/speed": np.zeros((20, 33))}}, "expected the arrays"),
        ({"shows_average": True}, "no slot .average."),
    ],
)
def test_bad_states_change_nothing(change, message):
    model = make_model()
    model.train_step(*batch(), optimizer=nn.SGD(0.1, momentum=0.5))
    state = model.optimizer_state
    with pytest.raises(ValueError, match=message):
        model.optimizer_state = dataclasses.replace(state, **change)
    for bad in (np.zeros((33, 20)), np.full((20, 33), np.nan)):
        with pytest.raises(ValueError, match="dense/kernel/velocity"):
            model.optimizer_state = dataclasses.replace(
                state, arrays={**state.arrays, "dense/kernel/velocity": bad}
            )
    after = model.optimizer_state
    assert after.steps == 1
    for name, array in state.arrays.items():
        assert after.arrays[name].tobytes() == array.tobytes()


def test_explain_step_tells_the_formula():
    x, y = batch()
    for optimizer, words in (
        (nn.SGD(0.1), "W2 = W1 - gradient * learning_rate\n     ="),
        (nn.SGD(0.1, momentum=0.9), "velocity = momentum * velocity"),
        (nn.RMSprop(), "sqrt(mean_square + epsilon)"),
        (nn.Adam(), "learning_rate * mean / (sqrt(mean_square) + epsilon)"),
    ):
        model, twin = make_model(), make_model()
        step = model.explain_step(x, y, "cross_entropy", optimizer, print=False)
        assert words in str(step)
        twin.train_step(x, y, "cross_entropy", optimizer)
        after = step.weights_after["dense_1/kernel"]
        assert after.tobytes() == twin.layers[1].kernel.tobytes()
        assert (step.weights_before["dense_1/kernel"] != after).any()


def test_core_refuses():
    for setting, value in (
        ("momentum", 1.0),
        ("rho", -0.1),
        ("beta_1", 1.0),
        ("beta_2", float("nan")),
        ("epsilon", 0.0),
        ("weight_decay", -1.0),
        ("clipnorm", float("inf")),
        ("global_clipnorm", -1.0),
        ("ema_momentum", 1.0),
    ):
        with pytest.raises(ValueError, match=setting):
            _core.Optimizer(0.1, **{setting: value})
    with pytest.raises(ValueError, match="known: sgd, rmsprop, adam"):
        _core.Optimizer(0.1, "adagrad")


def test_core_refuses_bad_learning_rates():
    x, y = batch()
    network = make_model()._built_network()
    order = np.arange(24, dtype=np.int32)

    def train(rates):
        network.train_steps(
            x,
            y.astype(np.int32),
            order,
            8,
            "cross_entropy",
            _core.Optimizer(1.0),
            learning_rates=rates,
        )

    before = network.get_parameter("dense/kernel")
    for rates, kind, message in (
        (np.full(2, 0.1), ValueError, r"one value per step \(3\), got shape \(2,\)"),
        (np.full((3, 1), 0.1), ValueError, "1 dimension"),
        (np.full(3, 0.1, np.float32), TypeError, "float64"),
        ([0.1, 0.1, 0.1], TypeError, "train_steps"),
        (np.array([0.1, -0.1, 0.1]), ValueError, r"learning_rates\[1\]"),
        (np.array([0.1, 0.1, 1e300]), ValueError, r"learning_rates\[2\]"),
    ):
        with pytest.raises(kind, match=message):
            train(rates)
    assert (network.get_parameter("dense/kernel") == before).all()
    train(np.zeros(3))
    assert (network.get_parameter("dense/kernel") == before).all()
    train(np.array([0.0, 0.0, 0.1]))
    assert (network.get_parameter("dense/kernel") != before).any()
