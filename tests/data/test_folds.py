"""Folds for cross-validation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nncore.data.labels.folds import stratified_folds


def make(seed=0, n=300):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=(0.6, 0.3, 0.1)).astype(np.int32)
    keys = [bytes([number % 256, number // 256]) for number in rng.integers(0, n // 2, n)]
    return keys, labels


def test_equal_keys_share_a_fold_and_each_fold_has_its_part_of_each_class():
    keys, labels = make()
    fold = stratified_folds(keys, labels, 5, 0)
    for key in set(keys):
        assert len({f for f, k in zip(fold.tolist(), keys, strict=True) if k == key}) == 1
    for label in range(3):
        sizes = np.bincount(fold[labels == label], minlength=5)
        assert sizes.max() - sizes.min() <= 8, sizes  # sets of several images cannot be cut
    sizes = np.bincount(fold, minlength=5)
    assert sizes.max() - sizes.min() <= 8, sizes


def test_large_sets_leave_room_for_others():
    keys = [b"film"] * 10 + [b"strip"] * 6 + [bytes([i]) for i in range(34)]
    fold = stratified_folds(keys, np.zeros(50, np.int32), 5, 0)
    assert np.bincount(fold).tolist() == [10] * 5
    assert len(set(fold[:10].tolist())) == 1


def test_single_images_are_dealt_out_evenly():
    labels = np.repeat(np.arange(4), (10, 11, 3, 1)).astype(np.int32)
    fold = stratified_folds([bytes([i]) for i in range(25)], labels, 5, 7)
    for label in range(4):
        sizes = np.bincount(fold[labels == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    assert np.bincount(fold).tolist() == [5] * 5


def test_the_order_of_the_images_does_not_matter_and_the_seed_does():
    keys, labels = make(1)
    fold = stratified_folds(keys, labels, 4, 3)
    order = np.random.default_rng(5).permutation(len(keys))
    turned = stratified_folds([keys[i] for i in order], labels[order], 4, 3)
    assert turned.tolist() == fold[order].tolist()
    other = stratified_folds(keys, labels, 4, 4)
    assert other.tolist() != fold.tolist()
    assert sum(Counter(other.tolist()).values()) == len(keys)


def test_wrong_arguments():
    keys, labels = make()
    with pytest.raises(ValueError, match="folds"):
        stratified_folds(keys, labels, 1, 0)
    with pytest.raises(ValueError, match="seed"):
        stratified_folds(keys, labels, 2, -1)
