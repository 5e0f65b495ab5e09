"""How unlike all others a picture is."""

from __future__ import annotations

import numpy as np
import pytest

from nncore.auditing import outliers
from nncore.auditing.outliers import far_out, unlikeness


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (3, 16))
    return (centres[np.arange(n) % 3] + rng.normal(0, 0.2, (n, 16))).astype(np.float32)


def by_definition(found, references, k=10):
    def distances(rows):
        scale = references.std(axis=0, dtype=np.float64)
        return np.sqrt(np.square((rows[:, np.newaxis] - references) / scale).sum(axis=2))

    own = distances(references)
    np.fill_diagonal(own, np.inf)
    usual = np.sqrt(np.square(np.sort(own, axis=1)[:, :k]).mean(axis=1))
    usual = np.minimum(usual, np.quantile(usual, 0.75))
    others = distances(found)
    far = np.sqrt(np.square(np.sort(others, axis=1)[:, :k]).mean(axis=1))
    return far / usual[np.argsort(others, axis=1)[:, :k]].mean(axis=1)


def test_as_defined_and_block_by_block(monkeypatch):
    found, references = rows(seed=1), rows(200, seed=2)
    expected = by_definition(found, references)
    assert unlikeness(found, references) == pytest.approx(expected, rel=1e-3)
    assert expected.max() > 1.2 * expected.min()
    whole = unlikeness(found, references)
    monkeypatch.setattr(outliers, "_BLOCK", 7)
    assert unlikeness(found, references).tolist() == whole.tolist()


def test_one_that_lies_elsewhere_is_far_out():
    found = rows(seed=1)
    found[20] = 3 * found[:3].mean(axis=0) + 4
    unlike = unlikeness(found, rows(200, seed=1))
    assert np.flatnonzero(unlike > far_out(unlike)).tolist() == [20]


def test_where_all_are_alike_half_as_far_again_is_nothing():
    alike = np.full(100, 1.0, np.float32)
    alike[3], alike[4] = 1.5, 2.5
    assert np.flatnonzero(alike > far_out(alike)).tolist() == [4]


def test_of_many_references_some_are_looked_at(monkeypatch):
    found, references = rows(seed=1), rows(200, seed=2)
    monkeypatch.setattr(outliers, "MOST_REFERENCES", 50)
    assert unlikeness(found, references) == pytest.approx(
        by_definition(found, references[::4]), rel=1e-3
    )


def test_where_there_is_nothing_to_compare():
    found = rows(30)
    assert unlikeness(found, found[:0]).tolist() == [1] * 30
    assert unlikeness(np.zeros((5, 4), np.float32), np.ones((5, 4), np.float32)).tolist() == [1] * 5
    assert len(unlikeness(found[:0], found)) == 0
