"""Images that are in a data set more than once."""

from __future__ import annotations

import numpy as np

from nncore.data import ImageDataset
from nncore.data.duplicates import Duplicates, find_duplicates


def test_sets_of_equal_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 3), dtype=np.uint8)
    pixels[[2, 5]], pixels[4] = pixels[0], pixels[3]
    labels = [1, 0, 0, 1, 1, 1]
    data = ImageDataset.from_arrays(pixels, labels, ["a", "b"])
    assert find_duplicates(data) == [
        Duplicates((0, 2, 5), ("a", "b"), ()),
        Duplicates((3, 4), ("b",), ()),
    ]
    data.given_split = ["train", "val", "val", "test", "test", "train"]
    assert [same.parts for same in find_duplicates(data)] == [("train", "val"), ("test",)]
    assert find_duplicates(data.subset([0, 1, 3])) == []
