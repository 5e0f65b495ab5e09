"""An array of shape (), which has no length, wherever images, labels or weights belong."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn

X, Y = np.zeros((6, 2), np.float32), np.array([0, 1, 2] * 2)
NUMBER, LABEL = np.array(0.5, np.float32), np.array(1)


def model(features: int = 2) -> nn.Sequential:
    built = nn.Sequential([nn.Dense(3)])
    built.build((features,))
    return built


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: model().fit(NUMBER, Y, verbose=0), "x"),
        (lambda: nn.Sequential([nn.Dense(3)]).fit(NUMBER, Y, verbose=0), "x"),
        (lambda: model(1).fit(NUMBER, Y, verbose=0), "x"),
        (lambda: model().fit(X, LABEL, verbose=0), "y"),
        (lambda: model().fit(X, Y, validation_data=(NUMBER, Y), verbose=0), "x"),
        (lambda: model().fit(X, Y, validation_data=(X, LABEL), verbose=0), "y"),
        (lambda: model().fit(X, Y, sample_weight=NUMBER, verbose=0), "sample_weight"),
        (lambda: model().evaluate(NUMBER, Y), "x"),
        (lambda: model().evaluate(X, LABEL), "y"),
        (lambda: model().predict(NUMBER), "x"),
        (lambda: model().predict_proba(NUMBER), "x"),
        (lambda: model().train_step(NUMBER, Y), "x"),
        (lambda: model().train_step(X, LABEL), "y"),
        (lambda: nn.lr_find(model(), NUMBER, Y), "x"),
        (lambda: model().set_weights(NUMBER), "weights"),
        (lambda: model().set_weights([NUMBER, NUMBER]), "dense/kernel"),
        (lambda: nn.top_k_accuracy(Y, NUMBER), "probabilities"),
    ],
)
def test_the_argument_and_the_shape_are_named(call, argument):
    with pytest.raises(ValueError, match=rf"{argument}\b.*\(\)"):
        call()
