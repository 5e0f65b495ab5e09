"""What a network gave for images as rows of numbers, one per image.

n images, F features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.interop.image_input import ImageInput


def feature_rows(found: Any, taken: ImageInput, where: str) -> NDArray[np.float32]:
    """(n, F) float32 of the tensor `found`.

    Of one with four axes the mean over height and width is taken (global average pooling), of one
    with three (n, tokens, F) the mean over the tokens.

    Parameters
    ----------
    found
        What the network gave.
    taken
        How it took the images, n of them.
    where
        Names the file and the tensor in messages.

    Raises
    ------
    ModelFileError
        It is no row of numbers per image.
    """
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        kind = found.dtype if isinstance(found, np.ndarray) else type(found).__name__
        raise ModelFileError(
            f"{where} is {kind} and no floating-point numbers; name another output"
        )
    if not found.size:
        found = found.reshape(0, 0)
    if found.ndim == 1:
        found = found[:, np.newaxis]
    if found.ndim == 3:
        found = found.mean(axis=1, dtype=np.float64)
    elif found.ndim == 4:
        found = found.mean(axis=_pixel_axes(found.shape, taken), dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != taken.batch or not found.size:
        raise ModelFileError(
            f"{where} has the shape {found.shape}, which is no row of features per image; name "
            "another output"
        )
    rows: NDArray[np.float32] = found.astype(np.float32, copy=False)
    return rows


def _pixel_axes(shape: Sequence[int], taken: ImageInput) -> tuple[int, int]:
    """Height and width among the four axes of a tensor.

    ONNX's convolutions are NCHW. A network that takes NHWC transposes at its beginning, and again
    at its end or not at all: there, the axes whose ratio is nearest to the images' are height and
    width.
    """
    if taken.layout == "NCHW":
        return 2, 3
    aspect = math.log(taken.prepared.height / taken.prepared.width)

    def error(axes: tuple[int, int]) -> float:
        return abs(math.log(shape[axes[0]] / shape[axes[1]]) - aspect)

    return min((1, 2), (2, 3), key=error)
