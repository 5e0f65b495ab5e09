"""Penalties, initializers, activations and Rescaling of whole models: losses, bits, files."""

from __future__ import annotations

import math

import numpy as np
import pytest

import nncore as nn


def images(n=61, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.random((n, 6, 6, 2), np.float32)
    x[np.arange(n), labels] += 0.5
    return x, labels


def make_model(l1=3e-3, l2=2e-2):
    return nn.Sequential(
        [
            nn.Rescaling((2.0, 0.5), -0.5),
            nn.Conv2D(5, 3, activation="gelu", kernel_regularizer=nn.L1L2(l1, l2)),
            nn.MaxPool2D(),
            nn.Conv2D(4, 2, activation="leaky_relu", kernel_initializer="he_normal"),
            nn.Flatten(),
            nn.Dense(7, "silu", kernel_regularizer=l2),
            nn.Dense(3),
        ]
    )


def penalty_of(model, l1=3e-3, l2=2e-2):
    first, dense = (model.layers[i].kernel.astype(np.float64) for i in (1, 5))
    return l1 * np.abs(first).sum() + l2 * ((first**2).sum() + (dense**2).sum())


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "mse", "sse"])
def test_losses_include_the_penalty(loss):
    x, y = images()
    model = make_model()
    model.build(x.shape[1:], seed=1)
    plain = make_model(0.0, 0.0)
    plain.build(x.shape[1:], seed=1)
    assert [w.tobytes() for w in plain.get_weights()] == [w.tobytes() for w in model.get_weights()]
    added = penalty_of(model)
    assert added > 0.1
    assert model.compute_gradients(x, y, loss) == pytest.approx(
        plain.compute_gradients(x, y, loss) + added, rel=1e-6
    )
    # One step over all images, measured before it; then evaluation with the weights after it.
    share = len(x) if loss == "sse" else 1
    settings = {"loss": loss, "epochs": 1, "batch_size": len(x), "verbose": 0}
    settings |= {"optimizer": nn.SGD(1e-4), "validation_data": (x, y)}
    history, plain_history = model.fit(x, y, **settings), plain.fit(x, y, **settings)
    loss_of = [record.history["loss"][0] for record in (history, plain_history)]
    assert loss_of[0] - loss_of[1] == pytest.approx(added / share, rel=1e-4)
    report = model.evaluate(x, y)
    assert report.loss == history.history["val_loss"][0]
    plain.set_weights(model.get_weights())
    assert report.loss - plain.evaluate(x, y).loss == pytest.approx(
        penalty_of(model) / share, rel=1e-5
    )


def test_the_penalty_of_plain_sgd_is_weight_decay():
    x, y = images()

    def train(regularizer, **optimizer):
        model = nn.Sequential(
            [nn.Flatten(), nn.Dense(3, kernel_regularizer=regularizer, use_bias=False)]
        )
        model.fit(x, y, epochs=5, verbose=0, optimizer=nn.SGD(0.1, **optimizer))
        return model.get_weights()[0]

    with_penalty, with_decay, without = train(nn.L2(0.05)), train(None, weight_decay=0.1), train(0)
    np.testing.assert_allclose(with_penalty, with_decay, rtol=1e-4, atol=1e-6)
    assert np.abs(with_penalty).sum() < 0.95 * np.abs(without).sum()
    assert np.abs(train(nn.L1(0.05))).sum() < 0.8 * np.abs(without).sum()
    # A rate of 0 is no penalty: the bits of the fused step.
    assert without.tobytes() == train(None).tobytes()


@pytest.mark.parametrize(
    "optimizer", [nn.SGD(0.1), nn.SGD(0.1, momentum=0.9), nn.Adam(0.01), nn.RMSprop(0.01)], ids=str
)
def test_same_bits_however_training_is_cut(optimizer, restore_threads):
    x, y = images()
    seen = set()
    for threads, cuts in [(1, (4,)), (2, (1, 3)), (3, (2, 2))]:
        nn.set_num_threads(threads)
        model = make_model()
        for epochs in cuts:
            model.fit(x, y, epochs=epochs, batch_size=16, optimizer=optimizer, verbose=0)
        seen.add(tuple(w.tobytes() for w in model.get_weights()))
    assert len(seen) == 1


def test_the_way_through_the_model_file(tmp_path):
    x, y = images()
    model = make_model()
    model.fit(x, y, epochs=2, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = nn.load(path)
    assert [v.description for v in loaded.layers] == [v.description for v in model.layers]
    assert (loaded.predict_proba(x) == model.predict_proba(x)).all()
    assert loaded.evaluate(x, y).loss == model.evaluate(x, y).loss
    # The penalty goes on, too.
    for each in (model, loaded):
        each.fit(x, y, epochs=1, verbose=0)
    assert [w.tobytes() for w in loaded.get_weights()] == [w.tobytes() for w in model.get_weights()]


def test_explain_step_counts_the_penalty():
    x, y = images(4)
    model = make_model()
    step = model.explain_step(x, y, print=False)
    before = nn.Sequential([view.description for view in model.layers])
    before.build(x.shape[1:])
    assert step.loss == pytest.approx(step.per_sample_loss.mean() + penalty_of(before), rel=1e-5)


def test_rescaling_is_what_it_says():
    x = np.array([[0.0, 127.5, 255.0]], np.float32)
    model = nn.Sequential([nn.Rescaling(1 / 127.5, -1), nn.Dense(3, use_bias=False)])
    model.build(3)
    model.set_weights([np.eye(3)])
    assert model._built_network().forward(x) == pytest.approx(
        np.array([[-1.0, 0.0, 1.0]]), abs=1e-6
    )
    assert math.isfinite(model.compute_gradients(x, [0]))
