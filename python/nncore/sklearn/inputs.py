"""What people give as X: rows of numbers, images, or files and pictures; N samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_X_y, validate_data

from nncore.arguments import check_int
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.pictures import is_path, is_picture, read_pictures, sources_of
from nncore.data.reading.settings import Reading
from nncore.layers import Shape

_ANY_SHAPE = {"allow_nd": True, "ensure_2d": False}


def pictures_of(x: Any) -> list[Any] | None:
    """The list of files or PIL images that X is, as a list or a column; None if it is no such."""
    if not isinstance(x, (list, tuple)) and not hasattr(x, "__array__"):
        return None
    first = x[0] if isinstance(x, (list, tuple)) and x else None
    if first is None and hasattr(x, "__array__"):
        array = np.asarray(x)
        if array.dtype.kind in "OUT" and array.shape[1:] in ((), (1,)):
            first = next(iter(array.flat), None)
    if not is_path(first) and not is_picture(first):
        return None
    return list(sources_of(x, "X"))


def checked_training_arrays(
    estimator: Any, x: Any, y: Any, known: Preprocessing | None, reset: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """X for the network and y (N,), checked as scikit-learn does it; with `reset` sets
    `n_features_in_`, else compares with it.

    Parameters
    ----------
    known
        How files are read; None: as `image_shape` of the estimator and they themselves say.

    Raises
    ------
    ValueError, TypeError
        Not what an estimator takes: sparse, complex, NaN, of another length, ...
    """
    pictures = pictures_of(x)
    if pictures is None and not _has_pixels(x):
        rows, y = validate_data(estimator, x, y, reset=reset)
        check_classification_targets(y)
        return _as_pictures(_pixels(rows), estimator.image_shape), y
    if pictures is not None:
        images: NDArray[Any] = read_pictures(pictures, _reading(estimator, known), "X")[0]
        images, y = check_X_y(images, y, **_ANY_SHAPE, estimator=estimator)
    else:
        images, y = check_X_y(x, y, **_ANY_SHAPE, estimator=estimator)
    check_classification_targets(y)
    if reset:
        estimator.n_features_in_ = math.prod(images.shape[1:])
        if hasattr(estimator, "feature_names_in_"):  # of an earlier fit, on rows
            del estimator.feature_names_in_
    return _pixels(images), y


def checked_arrays(estimator: Any, x: Any) -> NDArray[Any]:
    """The same of X alone, which has to be like that of `fit`, and no files."""
    if _has_pixels(x):
        return _pixels(check_array(x, **_ANY_SHAPE, estimator=estimator))
    rows = validate_data(estimator, x, reset=False)
    return _as_pictures(_pixels(rows), estimator.image_shape)


def _has_pixels(x: Any) -> bool:
    """Whether X holds one image per sample, (N, H, W) or (N, H, W, C), and not rows."""
    dimensions = getattr(x, "ndim", None)
    return (np.asarray(x).ndim if dimensions is None else int(dimensions)) in (3, 4)


def _reading(estimator: Any, known: Preprocessing | None) -> Reading:
    shape = _checked_image_shape(estimator.image_shape)
    if known is not None:
        return Reading(preprocessing=known)
    if shape is None:
        return Reading()
    colors = {1: "gray", 3: "rgb"}
    if shape[2] not in colors:
        raise ValueError(f"image_shape={estimator.image_shape!r}: files have 1 or 3 channels")
    height, width, channels = shape
    return Reading((height, width), colors[channels] if len(estimator.image_shape) == 3 else None)


def _checked_image_shape(image_shape: object) -> Shape | None:
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
    shape = _checked_image_shape(image_shape)
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
