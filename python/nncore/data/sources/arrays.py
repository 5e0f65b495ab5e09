"""Images and labels that are already arrays."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.labels.class_map import ClassMap, canonical_name, sort_class_names
from nncore.data.labels.encoding import (
    check_labels,
    class_names,
    from_one_hot,
    integer_labels,
    one_column,
)


def image_array(images: ArrayLike) -> NDArray[np.uint8]:
    """Images as uint8 (N, H, W, C), a view.

    Raises
    ------
    TypeError
        Not uint8.
    ValueError
        Not (N, H, W) or (N, H, W, C) with C 1 or 3, or H or W is 0.
    """
    # A memory map stays one: parts of it need not be copied.
    pixels = np.asanyarray(images) if isinstance(images, np.memmap) else np.asarray(images)
    if of_files(pixels):
        raise TypeError(
            f"images must be an array of pixels, uint8 (N, H, W, C), not of {pixels.dtype}"
            f"{of_files(pixels)}"
        )
    if pixels.dtype != np.uint8:
        raise TypeError(
            f"images must be uint8 (0..255), not {pixels.dtype}; "
            "float images go straight to fit, evaluate and predict"
        )
    if pixels.ndim == 3:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
        hint = (
            "; move the channels last with images.transpose(0, 2, 3, 1)"
            if pixels.ndim == 4 and pixels.shape[1] in (1, 3)
            else ""
        )
        raise ValueError(
            "images must have shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"not {np.shape(images)}{hint}"
        )
    if 0 in pixels.shape[1:]:
        raise ValueError(f"images of shape {np.shape(images)} have no pixels")
    return pixels


def of_files(values: NDArray[Any]) -> str:
    """What to do with an array that holds paths, or images of several sizes, instead of pixels."""
    first = values.flat[0] if values.size and values.dtype.kind in "OUT" else None
    if first and isinstance(first, (str, os.PathLike)):
        return (
            f" such as {str(first)!r}: read files by ImageDataset.from_folder, or from_csv "
            "with the columns path and label; predict takes a list of them"
        )
    if isinstance(first, np.ndarray):
        return f" (the first is {first.dtype} {first.shape}): numpy.stack joins those of one size"
    return ""


def label_array(labels: Any, classes: ClassMap | None) -> tuple[NDArray[np.int32], ClassMap]:
    """Labels as int32 (N,) and their class map.

    `labels` are integers (N,) or (N, 1), one-hot rows (N, K) or N class names. Without `classes`,
    integers and rows get the names "0", "1", ...; names are sorted (`sort_class_names`).

    Raises
    ------
    TypeError
        Labels that are none of these.
    ValueError
        A label out of range, an unknown name, a row that is not one-hot, or K that differs from
        the number of classes.
    """
    names = class_names(labels)
    if names is not None:
        if classes is None:
            classes = ClassMap.from_names(sort_class_names({canonical_name(n) for n in names}))
        return classes.encode(names), classes
    values = one_column(np.asarray(labels))
    if values.ndim == 2:
        if classes is not None and values.shape[1] != len(classes):
            raise ValueError(
                f"labels has {values.shape[1]} one-hot columns for {len(classes)} classes"
            )
        if classes is None:
            classes = _numbered(values.shape[1])
        return from_one_hot(values), classes
    integers = integer_labels(labels if values.ndim == np.ndim(labels) else values)
    if classes is None:
        check_labels(integers, np.iinfo(np.int32).max)
        classes = _numbered(int(integers.max()) + 1 if integers.size else 0)
    check_labels(integers, len(classes))
    return integers.astype(np.int32), classes


def _numbered(count: int) -> ClassMap:
    if count < 1:
        raise ValueError("labels is empty; give the classes")
    return ClassMap.from_names(str(label) for label in range(count))
