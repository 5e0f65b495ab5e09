"""Confident learning against the definitions of the paper, in plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from nncore.auditing import held_out
from nncore.auditing.confident_learning import confident_labels
from nncore.auditing.held_out import HeldOut


def made(n=400, classes=5, seed=0):
    """Probabilities of a network that is often right, and labels of which some are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), true] += 2.5
    logits[:, 0] += 0.7  # surer of one class than of the others
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(n) < 0.1
    labels = np.where(wrong, (true + rng.integers(1, classes, n)) % classes, true)
    return probabilities.astype(np.float32), labels.astype(np.int32)


def by_definition(probabilities, labels):
    """Thresholds, class that each image counts for, and the joint, of section 3 of the paper."""
    n, classes = probabilities.shape
    thresholds = [probabilities[labels == k, k].mean(dtype=np.float64) for k in range(classes)]
    counts, confident = np.zeros((classes, classes), int), np.full(n, -1)
    for i in range(n):
        able = [k for k in range(classes) if probabilities[i, k] >= thresholds[k]]
        if able:
            confident[i] = max(able, key=lambda k: probabilities[i, k])
            counts[labels[i], confident[i]] += 1
    joint = counts / counts.sum(axis=1, keepdims=True) * np.bincount(labels)[:, np.newaxis]
    return thresholds, confident, counts, round(joint.sum() - np.trace(joint))


@pytest.mark.parametrize("seed", range(3))
def test_as_the_paper_defines_it(seed):
    probabilities, labels = made(seed=seed)
    found = confident_labels(HeldOut.of(probabilities, labels), 5)
    thresholds, confident, counts, errors = by_definition(probabilities, labels)
    assert found.thresholds == pytest.approx(thresholds)
    assert found.confident.tolist() == confident.tolist()
    assert found.wrong.tolist() == ((confident >= 0) & (confident != labels)).tolist()
    assert found.errors == errors > 0
    expected = {(a, b): counts[a, b] for a in range(5) for b in range(5) if a != b and counts[a, b]}
    assert {(a, b): n for a, b, n in found.pairs} == expected
    assert [n for *_, n in found.pairs] == sorted(expected.values(), reverse=True)


def test_only_images_that_can_be_judged_count():
    probabilities, labels = made()
    whole = HeldOut.of(probabilities, labels)
    part = HeldOut.of(probabilities[:300], labels[:300])
    whole.judged[300:] = False
    one, other = confident_labels(whole, 5), confident_labels(part, 5)
    assert one.thresholds.tolist() == other.thresholds.tolist()
    assert one.wrong[:300].tolist() == other.wrong.tolist()
    assert not one.wrong[300:].any()
    assert one.errors == other.errors


def test_of_many_classes_the_most_probable_are_kept(monkeypatch):
    probabilities, labels = made(classes=12)
    whole = HeldOut.of(probabilities, labels)
    monkeypatch.setattr(held_out, "MOST_CLASSES", 4)
    few = HeldOut.of(probabilities, labels)
    assert few.classes.shape == (400, 4)
    assert few.classes.tolist() == np.argsort(-probabilities, axis=1)[:, :4].tolist()
    assert few.own.tolist() == whole.own.tolist()  # of the label, however improbable
    for one, other in zip(few.best_other, whole.best_other, strict=True):
        assert one.tolist() == other.tolist()


def test_the_best_other_class_is_never_the_label():
    probabilities, labels = made()
    found = HeldOut.of(probabilities, labels)
    others, best = found.best_other
    assert (others != labels).all()
    without = probabilities.copy()
    without[np.arange(len(labels)), labels] = -1
    assert best.tolist() == without.max(axis=1).tolist()


def test_a_class_without_images_has_no_say():
    probabilities, labels = made()
    labels[labels == 3] = 2
    found = confident_labels(HeldOut.of(probabilities, labels), 5)
    assert found.thresholds[3] == 1
    assert 3 not in found.confident.tolist()
