"""`ImageDataset.from_arrays`."""

from __future__ import annotations

import numpy as np
import pytest

from nncore.data import ClassMap, ImageDataset, Preprocessing
from nncore.errors import DataError

IMAGES = np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4)


def test_gray_and_rgb():
    data = ImageDataset.from_arrays(IMAGES, [0, 2, 1])
    assert data.images.shape == (3, 5, 4, 1)
    np.testing.assert_array_equal(data.images[..., 0], IMAGES)
    assert data.preprocessing == Preprocessing(5, 4, "gray")
    assert data.classes.names == ("0", "1", "2")
    assert data.labels.dtype == np.int32
    assert data.labels.tolist() == [0, 2, 1]
    assert data.paths == ["", "", ""]
    color = np.stack([IMAGES] * 3, -1)
    data = ImageDataset.from_arrays(color, [0, 2, 1], names=["a", "b", "c"])
    assert data.preprocessing == Preprocessing(5, 4, "rgb")
    assert data.paths == ["a", "b", "c"]
    assert np.shares_memory(data.images, color)


def test_other_memory_layouts_are_made_contiguous():
    data = ImageDataset.from_arrays(IMAGES[::-1, :, ::2], [0, 1, 1])
    assert data.images.flags.c_contiguous
    np.testing.assert_array_equal(data.images[..., 0], IMAGES[::-1, :, ::2])


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0, 1],
        (2, 0, 1),
        np.array([2, 0, 1], np.uint8),
        np.eye(3)[[2, 0, 1]],
        np.eye(3, dtype=bool)[[2, 0, 1]],
        ["fox", "cat", "dog"],
        np.array(["fox", "cat", "dog"]),
        np.array(["fox", "cat", "dog"], object),
    ],
)
@pytest.mark.parametrize("classes", [["cat", "dog", "fox"], ClassMap(("cat", "dog", "fox"))])
def test_every_form_of_labels(labels, classes):
    data = ImageDataset.from_arrays(IMAGES, labels, classes)
    assert data.labels.tolist() == [2, 0, 1]
    assert data.classes.names == ("cat", "dog", "fox")


def test_classes_from_the_labels():
    data = ImageDataset.from_arrays(IMAGES, ["fox", "cat", "fox"])
    assert data.classes.names == ("cat", "fox")
    assert ImageDataset.from_arrays(IMAGES, ["10", "9", "9"]).classes.names == ("9", "10")
    assert ImageDataset.from_arrays(IMAGES, np.eye(4)[[0, 1, 1]]).counts == {
        "0": 1,
        "1": 2,
        "2": 0,
        "3": 0,
    }


@pytest.mark.parametrize(
    ("images", "labels", "options", "error", "message"),
    [
        (IMAGES.astype(np.float32), [0, 1, 1], {}, TypeError, "float32"),
        (IMAGES.astype(np.int64), [0, 1, 1], {}, TypeError, "int64"),
        (IMAGES[0], [0, 1, 1], {}, ValueError, r"\(5, 4\)"),
        (IMAGES[:, None], [0, 1, 1], {}, ValueError, r"\(3, 1, 5, 4\); move the channels last"),
        (np.zeros((3, 5, 4, 2), np.uint8), [0, 1, 1], {}, ValueError, r"\(3, 5, 4, 2\)"),
        (np.zeros((3, 0, 4), np.uint8), [0, 1, 1], {}, ValueError, "no pixels"),
        (IMAGES[:0], [], {}, DataError, "empty"),
        (IMAGES, [0, 1], {}, ValueError, r"3 images, but labels has shape \(2,\)"),
        (IMAGES, 0, {}, ValueError, r"3 images, but labels has shape \(\)"),
        (IMAGES, np.eye(3)[:2], {}, ValueError, "3 images"),
        (IMAGES, [0.0, 1.0, 1.0], {}, TypeError, "float64"),
        (IMAGES, [True, False, True], {}, TypeError, "bool"),
        (IMAGES, [0, -1, 1], {}, ValueError, r"labels\[1\] is -1"),
        (IMAGES, [0, 1, 2], {"classes": ["a", "b"]}, ValueError, r"labels\[2\] is 2"),
        (IMAGES, ["a", "c", "b"], {"classes": ["a", "b"]}, ValueError, "position 1.*'c'"),
        (IMAGES, ["a", 1, "b"], {}, TypeError, r"labels\[1\] is 1"),
        (IMAGES, np.eye(3) * 0.5, {}, ValueError, "row 0"),
        (IMAGES, np.eye(3), {"classes": ["a", "b"]}, ValueError, "3 one-hot columns for 2"),
        (IMAGES, [0, 0, 0], {}, DataError, "one class only"),
        (IMAGES, [0, 0, 0], {"classes": ["a"]}, DataError, "one class only"),
        (IMAGES, [0, 1, 1], {"names": ["a", "b"]}, ValueError, "2 names for 3 images"),
        (IMAGES, np.zeros((3, 2, 2), int), {}, ValueError, r"\(3, 2, 2\)"),
    ],
)
def test_refusals(images, labels, options, error, message):
    with pytest.raises(error, match=message):
        ImageDataset.from_arrays(images, labels, **options)
