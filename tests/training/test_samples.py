"""`nncore.training.images.samples`: which pictures are looked at, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.data.labels.class_map import ClassMap
from nncore.training.images.samples import Samples, evenly

ABC = ClassMap(("a", "b", "c"))


def test_evenly_over_classes_and_over_each():
    labels = np.array([0] * 10 + [1] * 2 + [2] * 10)
    assert evenly(labels, 6).tolist() == [0, 9, 10, 11, 12, 21]
    assert evenly(labels, 7).tolist() == [0, 4, 9, 10, 11, 12, 21]
    assert evenly(labels, 2).tolist() == [0, 12]  # of the first and the last class
    assert evenly(labels, 100).tolist() == list(range(22))
    assert evenly(np.zeros(0, np.int64), 5).tolist() == []


def test_of_a_data_set_by_the_names_of_its_classes():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    data = nn.ImageDataset.from_arrays(images, np.array([0, 1, 1, 0]), classes=["c", "a"])
    samples = Samples.of(data, ABC, 12)
    assert samples.labels.tolist() == [0, 0, 2, 2]  # a, a, c, c
    assert samples.images.ravel().tolist() == [1, 2, 0, 3]


def test_of_arrays_with_one_hot_labels():
    x, y = np.zeros((3, 2, 2), np.float32), nn.one_hot([2, 0, 1], num_classes=3)
    assert Samples.of((x, y), ABC, 2).labels.tolist() == [0, 2]


def test_rows_of_features_are_no_pictures():
    with pytest.raises(ValueError, match="no pictures to show"):
        Samples.of((np.zeros((3, 7), np.float32), [0, 1, 2]), ABC, 2)


def test_guesses():
    class Model:
        def predict_proba(self, x):
            return np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], np.float32)

    samples = Samples(np.zeros((2, 1, 1), np.uint8), np.array([2, 2]), ABC.names)
    first, second = samples.guesses(Model(), top=2)
    assert [name for name, _ in first.top] == ["b", "c"]
    assert first.true_probability == pytest.approx(0.3)
    assert (first.is_right, second.is_right) == (False, True)
    assert second.top[0] == ("c", pytest.approx(0.8))


def test_other_numbers_become_bytes_from_the_lowest_to_the_highest():
    samples = Samples(np.array([[[-1.0, 0.0, 1.0]], [[5.0, 5.0, 5.0]]]), np.zeros(2), ABC.names)
    first, flat = samples.as_bytes()
    assert first.tolist() == [[0, 127, 255]]
    assert flat.tolist() == [[0, 0, 0]]
