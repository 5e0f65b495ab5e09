"""Outputs of many classes are looked at block by block: with the same result as all at once."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.training.answers import evaluation


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    x, y = rng.random((11, 4), np.float32), np.arange(11) % 5
    model = nn.Sequential([nn.Dense(5)])
    model.fit(x, y, validation_data=(x, y), epochs=2, batch_size=4, verbose=0)
    return model, x, y


def test_small_blocks_change_nothing(model, monkeypatch):
    model, x, y = model
    report, found = model.evaluate(x, y).to_dict(), model.predict(x, top_k=3)
    monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", 12)
    assert evaluation.block_size(5) == 2
    assert model.evaluate(x, y).to_dict() == report
    assert model.predict(x, top_k=3) == found


def test_validation_in_blocks(model, monkeypatch):
    _, x, y = model

    def history():
        fresh = nn.Sequential([nn.Dense(5)])
        return fresh.fit(x, y, validation_data=(x, y), epochs=3, batch_size=4, verbose=0)

    whole = history()
    monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", 12)
    blocks = history()
    assert blocks.history == whole.history


@pytest.mark.filterwarnings("ignore:x holds floats")
def test_the_row_that_is_not_finite_is_counted_from_the_first(model, monkeypatch):
    model, x, y = model
    weights = model.get_weights()
    model.set_weights([np.full_like(weights[0], 3e38), weights[1]])
    x = np.zeros_like(x)
    x[7] = 2.0
    monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", 12)
    for call in (lambda: model.evaluate(x, y), lambda: model.predict(x)):
        with pytest.raises(ValueError, match=r"x\[7\] are not finite"):
            call()


def test_blocks_are_never_empty():
    assert evaluation.block_size(10**9) == 1
    assert evaluation.block_size(2) == 4096
