"""How often answers of each probability are right."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.training.answers.reliability import BINS, reliability


def test_bins_by_hand():
    sure = np.array([0.95, 0.99, 0.97, 0.99, 0.4, 0.38], np.float32)
    right = np.array([True, True, False, True, False, True])
    found = reliability(sure, right)
    assert found.images[-1] == 4
    assert found.images[5:7] == (1, 1)  # 0.38 and 0.4: bins are 1/15 wide
    assert sum(found.images) == 6
    assert found.accuracy[-1] == 0.75
    assert found.probability[-1] == pytest.approx(0.975)
    assert found.accuracy[0] is None
    assert found.error == pytest.approx((4 * 0.225 + 0.4 + 0.62) / 6)


def test_certainty_and_what_lies_outside_have_a_bin():
    found = reliability(np.array([1.0, 1.3, -0.2, 0.0]), np.array([True, True, False, False]))
    assert (found.images[-1], found.images[0]) == (2, 2)
    assert found.error == 0
    assert len(found.images) == BINS


def test_a_calibrated_model_is_measured_without_its_temperature_too():
    rng = np.random.default_rng(0)
    x = rng.random((300, 4)).astype(np.float32)
    y = (x[:, 0] + rng.normal(0, 0.3, 300) > 0.5).astype(int)
    model = nn.Sequential([nn.Dense(2)])
    model.fit(x, y, epochs=5, batch_size=30, optimizer=nn.SGD(5.0), verbose=0)
    plain = model.evaluate(x, y)
    assert plain.reliability == plain.reliability_before
    model.temperature = 3.0
    calm = model.evaluate(x, y)
    assert calm.reliability_before == plain.reliability
    assert calm.reliability.error != plain.reliability.error
    assert calm.accuracy == plain.accuracy
    assert calm.to_dict()["reliability_before"]["error"] == plain.reliability.error
