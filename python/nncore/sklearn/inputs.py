"""What people give as X: rows of numbers, images, or files of images; N samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_X_y, validate_data

from nncore.arguments import check_int
from nncore.layers import Shape


def is_picture_array(x: Any) -> bool:
    """Whether X holds one image per sample, (N, H, W) or (N, H, W, C), and not rows."""
    dimensions = getattr(x, "ndim", None)
    return (np.asarray(x).ndim if dimensions is None else int(dimensions)) in (3, 4)


def checked_training_arrays(
    estimator: Any, x: Any, y: Any, image_shape: object, reset: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """X for the network and y (N,), checked as scikit-learn does it; with `reset` sets
    `n_features_in_`, else compares with it.

    Raises
    ------
    ValueError, TypeError
        Not what an estimator takes: sparse, complex, NaN, of another length, ...
    """
    if is_picture_array(x):
        images, y = check_X_y(x, y, allow_nd=True, ensure_2d=False, estimator=estimator)
        if reset:
            estimator.n_features_in_ = math.prod(images.shape[1:])
            if hasattr(estimator, "feature_names_in_"):  # of an earlier fit, on rows
                del estimator.feature_names_in_
        check_classification_targets(y)
        return _pixels(images), y
    rows, y = validate_data(estimator, x, y, reset=reset)
    check_classification_targets(y)
    return _as_pictures(_pixels(rows), image_shape), y


def checked_arrays(estimator: Any, x: Any, image_shape: object) -> NDArray[Any]:
    """The same of X alone, which has to be like that of `fit`."""
    if is_picture_array(x):
        return _pixels(check_array(x, allow_nd=True, ensure_2d=False, estimator=estimator))
    rows = validate_data(estimator, x, reset=False)
    return _as_pictures(_pixels(rows), image_shape)


def checked_image_shape(image_shape: object) -> Shape | None:
    """(height, width) or (height, width, channels) as (H, W, C)."""
    if image_shape is None:
        return None
    if not isinstance(image_shape, Sequence) or len(image_shape) not in (2, 3):
        raise ValueError(
            f"image_shape must be (height, width) or (height, width, channels), not {image_shape!r}"
        )
    shape = tuple(check_int("image_shape", side, 1) for side in image_shape)
    return shape if len(shape) == 3 else (*shape, 1)


def _as_pictures(rows: NDArray[Any], image_shape: object) -> NDArray[Any]:
    shape = checked_image_shape(image_shape)
    if shape is None:
        return rows
    if math.prod(shape) != rows.shape[1]:
        raise ValueError(
            f"X has {rows.shape[1]} features, but image_shape={image_shape!r} asks for "
            f"{math.prod(shape)}: {' x '.join(map(str, shape))}"
        )
    return rows.reshape(len(rows), *shape)


def _pixels(array: NDArray[Any]) -> NDArray[Any]:
    """uint8 as it is, which the network scales; all else as float32."""
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.dtype == np.uint8:
        return array
    with np.errstate(over="ignore"):  # the network refuses infinite values, and says where
        return array.astype(np.float32, copy=False)
