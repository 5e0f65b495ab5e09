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
    if values.dtype.kind == "O" and values.size and all(map(_is_integer, values.flat)):
        values = values.astype(np.int64)  # as a column with a type of its own comes
    if values.size == 0 and not isinstance(labels, np.ndarray):
        values = values.astype(np.int64)  # NumPy calls [] a float array
    names = class_names(labels, argument)
    if names is not None:
        raise TypeError(
            f"{argument} must be integers, not class names such as {names[0]!r}; turn them "
            "into integers by nn.ClassMap.from_names([...]).encode(names)"
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        position = int(np.argmax(np.isnan(values.ravel())))
        raise TypeError(f"{argument} must be integers, but {argument}[{position}] is missing (NaN)")
    if values.dtype.kind not in "iu":
        raise TypeError(
            f"{argument} must be integers, not {values.dtype}; "
            "convert them first, for example with .astype(int)"
        )
    if values.ndim != 1:
        raise ValueError(f"{argument} must have shape (N,), not {values.shape}")
    return values


def class_names(labels: Any, argument: str = "labels") -> list[str] | None:
    """The N class names that `labels` are; None if they are something else.

    A list, an array or a column, (N,) or (N, 1), of texts.

    Raises
    ------
    TypeError
        Some are texts and others are not.
    """
    if not isinstance(labels, (list, tuple)):
        values = np.asarray(labels)
        if values.dtype.kind not in "UTO":
            return None
        labels = one_column(values).tolist()
    elif labels and all(isinstance(one, (list, tuple)) and len(one) == 1 for one in labels):
        labels = [one[0] for one in labels]
    if not isinstance(labels, (list, tuple)) or not any(isinstance(one, str) for one in labels):
        return None
    for position, one in enumerate(labels):
        if not isinstance(one, str):
            raise TypeError(f"{argument}[{position}] is {one!r}, others are class names")
    return list(map(str, labels))


def one_column(values: NDArray[Any]) -> NDArray[Any]:
    """(N, 1) as (N,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


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
