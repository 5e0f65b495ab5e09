"""Friendly arrays into exact ones, and the messages where that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from nncore.errors import DataError
from nncore.training.images.arrays import class_indices, image_array, step_targets


@pytest.mark.parametrize(
    ("given", "result"),
    [((5, 4, 3), (5, 4, 3, 1)), ((5, 4, 3, 2), (5, 4, 3, 2)), ((5, 4), (5, 4))],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shapes_before_the_network_is_built(given, result, dtype):
    array = image_array(np.zeros(given, dtype), None)
    assert array.shape == result
    assert array.dtype == dtype


def test_uint8_and_float32_are_not_copied():
    for dtype in (np.uint8, np.float32):
        images = np.zeros((2, 3, 4, 1), dtype)
        assert np.shares_memory(image_array(images, (3, 4, 1)), images)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ">f4", np.longdouble])
def test_other_floats_become_float32(dtype):
    images = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    array = image_array(images.astype(dtype), (3, 4, 1))
    assert array.dtype == np.float32
    assert array.dtype.isnative
    assert (array[..., 0] == images).all()


def test_strided_arrays_become_contiguous():
    images = np.arange(2 * 3 * 8, dtype=np.uint8).reshape(2, 3, 8)[:, ::-1, ::2]
    array = image_array(images, None)
    assert array.flags.c_contiguous
    assert (array[..., 0] == images).all()


def test_lists_of_floats_are_taken():
    assert image_array([[0.5, 1.0]], (2,)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex64, object, "U1", np.int8])
def test_ambiguous_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match=r"x must be uint8 .* or float32"):
        image_array(np.zeros((1, 2, 2), dtype), None)


@pytest.mark.parametrize("shape", [(3,), (), (1, 2, 2, 1, 1), (3, 0, 2, 1)])
def test_impossible_shapes(shape):
    with pytest.raises(ValueError, match=r"must have the shape \(N, H, W, C\)"):
        image_array(np.zeros(shape, np.uint8), None)


def test_wrong_shape_for_the_network_names_both():
    with pytest.raises(ValueError, match=r"\(N, 4, 4, 3\).*not \(2, 4, 4\)"):
        image_array(np.zeros((2, 4, 4), np.uint8), (4, 4, 3))


def test_no_image():
    with pytest.raises(DataError, match="holds no image"):
        image_array(np.zeros((0, 4, 4), np.uint8), None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_first_bad_pixel_is_named(value):
    # Large enough to be looked at in several blocks.
    images = np.zeros((3, 1024, 700))
    images[2, 5, 5] = images[1, -1, -1] = value
    with pytest.raises(DataError, match=r"x\[1\] holds NaN or infinity"):
        image_array(images, None)


def test_class_numbers_and_one_hot_rows_are_the_same():
    labels = np.array([2, 0, 1])
    rows = np.eye(3)[labels]
    for given in (labels, labels.astype(np.uint8), [2, 0, 1], rows, rows.astype(int), rows == 1):
        result = class_indices(given, 3, 3)
        assert result.dtype == np.int32
        assert result.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0, 3, 1], ValueError, r"y\[1\] is 3, outside 0\.\.2"),
        ([0, 1, -1], ValueError, r"y\[2\] is -1, outside 0\.\.2"),
        ([0.0, 1.0, 2.0], TypeError, "y must be integers"),
        (["a", "b", "c"], TypeError, "y must be integers"),
        ([True, False, True], TypeError, "y must be integers"),
        ([0, 1], ValueError, "3 images but 2 labels"),
        (np.eye(3)[[0, 1]], ValueError, "3 images but 2 labels"),
        (np.eye(4)[[0, 1, 2]], ValueError, "rows of 4 numbers.* 3 outputs"),
        ([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]], ValueError, "one-hot: row 1"),
        ([[1, 0, 0], [0, 0, 0], [0, 0, 1]], ValueError, "one-hot: row 1"),
        ([[1, 0, 0], [0, 1, 1], [0, 0, 1]], ValueError, "one-hot: row 1"),
        ([[1, 0, 0], [0, 1, 0], [np.nan, 0, 1]], ValueError, "one-hot: row 2"),
        (np.zeros((3, 1, 1)), ValueError, r"not of shape \(3, 1, 1\)"),
        (1, ValueError, r"not of shape \(\)"),
    ],
)
def test_bad_labels(labels, kind, message):
    with pytest.raises(kind, match=message):
        class_indices(labels, 3, 3)


def test_real_targets_for_squares_only():
    targets = [[0.25, 0.5], [2.0, -1.0]]
    for loss in ("mse", "sse"):
        result = step_targets(targets, 2, 2, loss)
        assert result.dtype == np.float32
        assert result.tolist() == targets
    with pytest.raises(ValueError, match="one-hot"):
        step_targets(targets, 2, 2, "cross_entropy")


def test_one_hot_step_targets_become_class_numbers():
    for loss in ("mse", "cross_entropy"):
        assert step_targets([[0.0, 1.0]], 1, 2, loss).tolist() == [1]
        assert step_targets([1], 1, 2, loss).tolist() == [1]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0.5, np.nan]], r"y\[0\] holds NaN"),
        ([[0.5, 1e300]], r"y\[0\] holds NaN or infinity"),
        ([[0.5, 0.5, 0.5]], r"shape \(1, 2\), not \(1, 3\)"),
        ([[0.5, 0.5]] * 2, r"shape \(1, 2\), not \(2, 2\)"),
    ],
)
def test_bad_real_targets(targets, message):
    with pytest.raises(ValueError, match=message):
        step_targets(targets, 1, 2, "mse")
