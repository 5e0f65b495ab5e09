from __future__ import annotations

import numpy as np
import pytest

from nncore.data import from_one_hot, one_hot


def test_the_lessons_rows():
    rows = one_hot([0, 1, 2])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"])
def test_any_integer_type(dtype: str):
    labels = np.array([2, 0], dtype)
    np.testing.assert_array_equal(one_hot(labels, num_classes=4), [[0, 0, 1, 0], [1, 0, 0, 0]])


def test_round_trip():
    labels = np.random.default_rng(0).integers(0, 7, 100)
    rows = one_hot(labels, 7)
    np.testing.assert_array_equal(rows, np.eye(7, dtype=np.float32)[labels])
    back = from_one_hot(rows)
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_array_equal(from_one_hot(rows.astype(bool)), labels)
    np.testing.assert_array_equal(from_one_hot(rows.astype(int).tolist()), labels)


def test_empty():
    assert one_hot([], num_classes=3).shape == (0, 3)
    assert from_one_hot(np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ValueError, match="num_classes"):
        one_hot([])


@pytest.mark.parametrize(
    ("labels", "num_classes", "error", "message"),
    [
        ([0, 3, 4], 3, ValueError, r"labels\[1\] is 3, outside 0\.\.2"),
        ([0, 1, -1], None, ValueError, r"labels\[2\] is -1"),
        (np.array([2**63], np.uint64), 3, ValueError, r"labels\[0\] is 9223372036854775808"),
        ([0.0, 1.0], None, TypeError, "float64"),
        ([True, False], None, TypeError, "bool"),
        (["0"], None, TypeError, "labels must be integers"),
        (np.zeros(0), 3, TypeError, "float64"),
        ([[0, 1]], None, ValueError, r"\(1, 2\)"),
        (3, None, ValueError, r"\(\)"),
        ([0], 0, ValueError, "num_classes"),
        ([0], 2.0, TypeError, "num_classes"),
        ([0], True, TypeError, "num_classes"),
    ],
)
def test_one_hot_refuses(labels, num_classes, error, message):
    with pytest.raises(error, match=message):
        one_hot(labels, num_classes)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([[1, 0], [0.5, 0.5]], ValueError, r"row 1 is \[0\.5, 0\.5\]"),
        ([[1, 0], [1, 1]], ValueError, r"row 1 is \[1, 1\]"),
        ([[0, 0]], ValueError, r"row 0 is \[0, 0\]"),
        ([[1, -1]], ValueError, r"row 0 is \[1, -1\]"),
        ([[2, 0]], ValueError, r"row 0 is \[2, 0\]"),
        ([[1, np.nan]], ValueError, "row 0 is"),
        ([[0] * 30], ValueError, r"0, \.\.\.\]"),
        ([1, 0], ValueError, r"\(2,\)"),
        ([["1", "0"]], TypeError, "numbers"),
        (np.zeros((2, 0)), ValueError, "row 0"),
    ],
)
def test_from_one_hot_refuses(rows, error, message):
    with pytest.raises(error, match=message):
        from_one_hot(rows)
