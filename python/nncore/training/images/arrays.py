"""Friendly arguments into what the engine takes: checked, C-contiguous, of the right dtype.

N images, K classes. The engine refuses whatever is not exactly right; here people are helped.
"""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.labels.encoding import check_labels, from_one_hot, integer_labels, one_column
from nncore.data.mapped import MappedImages, Pixels
from nncore.data.sources.arrays import of_files
from nncore.errors import DataError
from nncore.layers import Shape
from nncore.losses import SOFTMAX_LOSSES

if TYPE_CHECKING:
    from nncore._core import Images, LossName, Targets

    ImagesOrMapped: TypeAlias = Images | MappedImages


def image_array(images: ArrayLike, input_shape: Shape | None, name: str = "x") -> Images:
    """Images as uint8 or float32 (N, *input_shape).

    Parameters
    ----------
    images
        uint8 (scaled inside the network) or any float type (used as it is) of shape (N, H, W, C),
        (N, H, W), which gets one channel, or (N, features).
    input_shape
        What the network takes; None before it is built: then any of these shapes.
    name
        The argument's name, for messages.

    Raises
    ------
    TypeError
        Another dtype.
    ValueError
        A wrong shape.
    DataError
        No image, or a NaN or infinite value; the message gives the first such image.
    """
    array = as_array(images, name)
    if of_files(array):
        raise TypeError(
            f"{name} must be an array of pixels, uint8 or float32, not of {array.dtype}"
            f"{of_files(array)}"
        )
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"{name} must be uint8 (0 to 255, scaled by the network) or float32 (used as it is), "
            f"not {array.dtype}; {_conversion(array)}"
        )
    array = _with_image_shape(array, input_shape, name)
    if len(array) == 0:
        raise DataError(f"{name} holds no image: its shape is {array.shape}")
    if array.dtype != np.uint8:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        _refuse_non_finite(array, name)
    result: Images = np.ascontiguousarray(array)
    return result


def as_array(images: Any, name: str = "x") -> NDArray[Any]:
    """`images` as NumPy reads them.

    Raises
    ------
    TypeError
        It is nothing that holds images.
    ValueError
        A list of arrays of several shapes.
    """
    try:
        array = np.asarray(images)
    except ValueError:
        if not isinstance(images, (list, tuple)):
            raise
        shapes = list(dict.fromkeys(np.shape(image) for image in images))
        raise ValueError(
            f"{name} is a list of arrays of different shapes, such as {shapes[0]} and "
            f"{shapes[1]}: all images must have one size"
        ) from None
    if array.dtype == object and not of_files(array):
        one = images if array.ndim == 0 else next(iter(array.flat), 0)
        if not isinstance(one, numbers.Number):
            raise TypeError(
                f"{name} {'is' if array.ndim == 0 else 'holds'} {_kind(one)}, which is not "
                "understood: give arrays (of NumPy, or anything with __array__ or __dlpack__), a "
                "list or a column of files or PIL images, or an ImageDataset; fit and evaluate "
                "take iterators of batches (x, y), too"
            )
    return array


def _kind(value: object) -> str:
    kind = type(value)
    if value is None:
        return "None"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def data_set_images(
    images: Pixels | ArrayLike, input_shape: Shape | None, name: str = "x"
) -> ImagesOrMapped:
    """`image_array` of a data set's images; mapped ones are checked and stay where they are."""
    if not isinstance(images, MappedImages):
        return image_array(images, input_shape, name)
    if input_shape is not None and images.shape[1:] != input_shape:
        return image_array(np.asarray(images), input_shape, name)
    if len(images) == 0:
        raise DataError(f"{name} holds no image: its shape is {images.shape}")
    return images


def class_indices(labels: ArrayLike, count: int, num_classes: int) -> Targets:
    """Labels y as int32 (N,), from integers (N,) or one-hot rows (N, K).

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        A wrong shape, not one label per image (`count`), a label outside 0 to `num_classes` - 1, or
        a row that is not one-hot; the message gives the first such label.
    """
    array = np.asarray(labels)
    if num_classes > 1:
        array = one_column(array)
    if array.ndim not in (1, 2):
        raise ValueError(
            f"y must be class numbers (N,) or one-hot rows (N, K), not of shape {array.shape}"
        )
    if len(array) != count:
        raise ValueError(f"{count} images but {len(array)} labels in y: give one per image")
    if array.ndim == 1:
        indices = integer_labels(array, "y")
        check_labels(indices, num_classes, "y")
        return np.ascontiguousarray(indices, dtype=np.int32)
    if array.shape[1] != num_classes:
        raise ValueError(
            f"y has rows of {array.shape[1]} numbers, but the network's last layer has "
            f"{num_classes} outputs: a one-hot row has one number per class"
        )
    try:
        return from_one_hot(array)
    except ValueError as error:
        raise ValueError(f"y must be one-hot: {error}") from None


def step_targets(labels: ArrayLike, count: int, outputs: int, loss: LossName) -> Targets:
    """Targets of a single training step: `class_indices`, or any real numbers (N, K) as float32.

    Real targets suit mse and sse only. One-hot rows become class indices, so that both ways to
    write them give the same bits.
    """
    array = np.asarray(labels)
    if loss in SOFTMAX_LOSSES or array.ndim != 2 or array.dtype.kind not in "fiu":
        return class_indices(array, count, outputs)
    if array.shape != (count, outputs):
        raise ValueError(f"y must have the shape {(count, outputs)}, not {array.shape}")
    try:
        return from_one_hot(array)
    except ValueError:
        pass  # Real targets.
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    _refuse_non_finite(array, "y")
    return np.ascontiguousarray(array)


def _conversion(array: NDArray[Any]) -> str:
    """How to bring images of another dtype to one that is taken."""
    if array.dtype.kind not in "iub" or array.size == 0:
        return "convert it with .astype"
    if array.dtype.kind == "b":
        return "convert it with .astype('float32')"
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= 255:
        return f"its numbers go from {low} to {high}: convert it with .astype('uint8')"
    return (
        f"its numbers go from {low} to {high}: convert it with .astype('float32'), scaled to the "
        "range 0 to 1"
    )


def _with_image_shape(array: NDArray, input_shape: Shape | None, name: str) -> NDArray:  # type: ignore[type-arg]
    if input_shape is None:
        if array.ndim not in (2, 3, 4) or 0 in array.shape[1:]:
            raise ValueError(
                f"{name} must have the shape (N, H, W, C), (N, H, W) or (N, features), "
                f"not {array.shape}"
            )
        return array[..., np.newaxis] if array.ndim == 3 else array
    if array.ndim and array.shape[1:] == input_shape:
        return array
    if array.ndim and (*array.shape[1:], 1) == input_shape:
        return array[..., np.newaxis]
    expected = ", ".join(map(str, ("N", *input_shape)))
    raise ValueError(f"{name} must have the shape ({expected}) for this network, not {array.shape}")


def _refuse_non_finite(array: NDArray[np.float32], name: str) -> None:
    # In blocks: a mask of a whole data set would cost a quarter of its memory again.
    block = max(1, 2**20 // max(1, array[0].size))
    for start in range(0, len(array), block):
        finite = np.isfinite(array[start : start + block])
        if not finite.all():
            first = start + int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
            raise DataError(f"{name}[{first}] holds NaN or infinity (as float32)")
