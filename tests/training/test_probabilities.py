"""From outputs to probabilities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nncore.kernels import softmax
from nncore.training.answers.probabilities import project_on_simplex, to_probabilities


def test_softmax_of_huge_logits_is_finite():
    result = softmax(np.array([[3e38, -3e38, 0], [1, 1, 1]], np.float32))
    assert result.dtype == np.float32
    assert result[0].tolist() == [1, 0, 0]
    assert result[1] == pytest.approx(1 / 3)


def nearest_distribution(row):
    """By trying every set of positions that may be above zero."""
    best, distance = None, np.inf
    for count in range(1, len(row) + 1):
        for chosen in itertools.combinations(range(len(row)), count):
            point = np.zeros(len(row))
            index = list(chosen)
            point[index] = row[index] + (1 - row[index].sum()) / count
            if (point >= 0).all() and ((point - row) ** 2).sum() < distance:
                best, distance = point, ((point - row) ** 2).sum()
    return best


def test_projection_is_the_nearest_distribution():
    rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    result = project_on_simplex(rows)
    for row, projected in zip(rows, result, strict=True):
        assert projected == pytest.approx(nearest_distribution(row.astype(np.float64)), abs=1e-6)


def test_projection_keeps_distributions_and_the_best_class():
    rows = np.array([[0.2, 0.5, 0.3], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    assert project_on_simplex(rows) == pytest.approx(rows, abs=1e-6)
    wild = np.array([[3e38, -3e38, 1], [-5, -4, -4.5], [1e20, 1e20, 0]], np.float32)
    result = project_on_simplex(wild)
    assert np.isfinite(result).all()
    assert result.sum(axis=1) == pytest.approx(1)
    assert result[0].tolist() == [1, 0, 0]
    assert result[2].tolist() == [0.5, 0.5, 0]
    assert (result.argmax(axis=1) == wild.argmax(axis=1)).all()


def test_single_output_is_certain():
    for loss in ("mse", "cross_entropy"):
        rows = np.array([[-7.0]], np.float32)
        assert to_probabilities(rows, last_activation="linear", loss=loss).tolist() == [[1.0]]


def test_which_rule_applies():
    rows = np.array([[2.0, 0.0]], np.float32)
    expected = {"cross_entropy": softmax(rows), "mse": np.eye(2)[:1], "sse": np.eye(2)[:1]}
    for loss, result in expected.items():
        assert to_probabilities(rows, last_activation="linear", loss=loss) == pytest.approx(result)
        assert to_probabilities(rows, last_activation="softmax", loss=loss) is rows


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite(value):
    rows = np.array([[1.0, 2.0], [value, 0.0]], np.float32)
    for last in ("linear", "softmax"):
        with pytest.raises(ValueError, match=r"outputs for x\[1\] are not finite"):
            to_probabilities(rows, last_activation=last, loss="mse")
