"""Integer labels and one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int


def integer_labels(labels: ArrayLike, argument: str = "labels") -> NDArray[Any]:
    """`labels` as a one-dimensional integer array of whatever integer type it has.

    Raises
    ------
    TypeError
        The values are not integers (bool and float are refused rather than cut).
    ValueError
        Not one-dimensional.
    """
    values = np.asarray(labels)
    if values.size == 0 and not isinstance(labels, np.ndarray):
        values = values.astype(np.int64)  # NumPy calls [] a float array
    if values.dtype.kind not in "iu":
        raise TypeError(
            f"{argument} must be integers, not {values.dtype}; "
            "convert them first, for example with .astype(int)"
        )
    if values.ndim != 1:
        raise ValueError(f"{argument} must have shape (N,), not {values.shape}")
    return values


def check_labels(labels: NDArray[Any], num_classes: int, argument: str = "labels") -> None:
    """ValueError that names the first label outside 0..num_classes-1 and its position."""
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        position = int(wrong[0])
        raise ValueError(
            f"{argument}[{position}] is {labels[position]}, outside 0..{num_classes - 1} "
            f"({num_classes} classes)"
        )


def one_hot(labels: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32]:
    """One-hot rows of integer labels.

    Parameters
    ----------
    labels
        N integers, shape (N,): any integer array or a list.
    num_classes
        K; by default the largest label plus one.

    Returns
    -------
    float32 (N, K), one 1 per row.

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        A label is negative or not below K (the first one is named), or there are no labels and
        no `num_classes` either.
    """
    values = integer_labels(labels)
    if num_classes is None:
        if values.size == 0:
            raise ValueError("labels is empty; say how many classes there are with num_classes")
        num_classes = max(int(values.max()) + 1, 1)
    num_classes = check_int("num_classes", num_classes, 1)
    check_labels(values, num_classes)
    rows = np.zeros((values.size, num_classes), np.float32)
    rows[np.arange(values.size), values] = 1
    return rows


def from_one_hot(rows: ArrayLike) -> NDArray[np.int32]:
    """Integer labels of one-hot rows.

    Parameters
    ----------
    rows
        (N, K) numbers or booleans, exactly one 1 and otherwise 0 in each row.

    Returns
    -------
    int32 (N,).

    Raises
    ------
    TypeError
        Not numbers.
    ValueError
        Not two-dimensional, or a row (the first one is named and shown) that is not one-hot.
    """
    values = np.asarray(rows)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"rows must be numbers, not {values.dtype}")
    if values.ndim != 2:
        raise ValueError(f"rows must have shape (N, K), not {values.shape}")
    ones = values == 1
    good = (ones.sum(axis=1) == 1) & ((values == 0).sum(axis=1) == values.shape[1] - 1)
    if not good.all():
        position = int(np.argmin(good))
        content = values[position].tolist()
        shown = str(content) if len(content) <= 20 else f"{str(content[:20])[:-1]}, ...]"
        raise ValueError(f"row {position} is {shown}, not a single 1 and otherwise 0")
    labels: NDArray[np.int32] = ones.argmax(axis=1).astype(np.int32)
    return labels
