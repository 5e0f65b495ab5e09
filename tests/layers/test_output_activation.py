"""What stands last decides whether a network's outputs are probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.layers.stack import LayerStack

X = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
Y = np.arange(40, dtype=np.int32) % 3

# Behind a softmax: what changes the values, and what passes them on in prediction.
CHANGES = [
    nn.BatchNormalization(momentum=0.5),
    nn.LayerNormalization(),
    nn.Rescaling(3.0, -1.0),
    nn.Activation("relu"),
    nn.Activation("sigmoid"),
    nn.Dense(3),
    nn.Residual([nn.Dense(3)]),
    nn.Residual([nn.Dense(3)], shortcut=[nn.Dense(3, "softmax")]),
    nn.Residual([nn.Dense(3, "softmax")]),
    nn.Residual([nn.Residual([nn.BatchNormalization()])], "tanh"),
]
PASSES_ON = [nn.Flatten(), nn.Dropout(0.5), nn.Activation("linear")]


def trained(last: nn.layers.Layer, loss: str) -> nn.Sequential:
    model = nn.Sequential([nn.Dense(3, "softmax"), last])
    model.fit(X, Y, epochs=3, batch_size=8, loss=loss, seed=1, verbose=0)
    return model


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "mse"])
@pytest.mark.parametrize("last", [*CHANGES, *PASSES_ON], ids=repr)
def test_probabilities_add_up_whatever_stands_behind_a_softmax(last, loss):
    model = trained(last, loss)
    # Arrays take a shorter way than lists of pictures and data sets.
    for rows in (model.predict_proba(X), model._probabilities(X)):
        assert rows.min() >= 0
        assert rows.sum(axis=1) == pytest.approx(1, abs=1e-6)
    told = [worst.probability for worst in model.evaluate(X, Y).worst]
    assert all(0 <= probability <= 1 for probability in told)


@pytest.mark.parametrize("last", CHANGES, ids=repr)
def test_what_changes_values_makes_logits_of_them(last):
    model = trained(last, "cross_entropy")
    expected = nn.kernels.softmax(model._built_network().forward(X))
    assert model.predict_proba(X) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("last", PASSES_ON, ids=repr)
def test_what_passes_values_on_leaves_probabilities(last):
    model = trained(last, "cross_entropy")
    first = nn.Sequential([nn.Dense(3, "softmax")])
    first.build(6)
    first.set_weights(model.get_weights())
    assert model.predict_proba(X).tobytes() == first.predict_proba(X).tobytes()


@pytest.mark.parametrize(
    ("layers", "activation"),
    [
        ([nn.Dense(3, "softmax")], "softmax"),
        ([nn.Dense(3, "softmax"), *PASSES_ON], "softmax"),
        ([nn.Dense(3), nn.Activation("softmax"), nn.Dropout(0.1)], "softmax"),
        ([nn.Dense(3, "softmax"), nn.BatchNormalization()], "linear"),
        ([nn.Dense(3, "softmax"), nn.LayerNormalization(), nn.Flatten()], "linear"),
        ([nn.Dense(3, "softmax"), nn.Rescaling(2.0), nn.Dropout(0.1)], "linear"),
        ([nn.Dense(3, "relu"), nn.Activation("linear")], "relu"),
        ([nn.Residual([nn.Dense(3, "softmax")]), nn.Flatten()], "linear"),
        ([nn.Residual([nn.Dense(3)], "relu")], "relu"),
        ([nn.Activation("linear")], "linear"),
        # A mean of positive numbers is no "relu" of anything.
        ([nn.Conv2D(3, 1, activation="relu"), nn.GlobalAveragePool2D()], "linear"),
    ],
    ids=repr,
)
def test_activation_that_ends_a_network(layers, activation):
    assert LayerStack(layers).output_activation() == activation
