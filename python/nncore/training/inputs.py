"""What people give to `fit` and `evaluate`, a data set or arrays, made ready for the engine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from nncore.data.class_map import ClassMap, list_names
from nncore.data.dataset import ImageDataset
from nncore.data.preprocessing import Preprocessing
from nncore.errors import DataError
from nncore.layers import Shape
from nncore.training.arrays import class_indices, data_set_images, image_array
from nncore.training.fit import LabelledArrays

if TYPE_CHECKING:
    from nncore.training.arrays import ImagesOrMapped
    from nncore.training.features import FrozenInputs

Data: TypeAlias = ImageDataset | ArrayLike


def training_images(
    x: Data,
    y: ArrayLike | None,
    input_shape: Shape | None,
    preprocessing: Preprocessing | None,
    frozen: FrozenInputs | None = None,
) -> ImagesOrMapped:
    """The images of `x`, checked against what the network takes and the model was trained on.

    Raises
    ------
    TypeError
        Labels are missing, or given beside a data set; a wrong dtype.
    DataError, ValueError
        See `image_array` and `check_preprocessing`, and `Features.check_images`.
    """
    if frozen is not None:
        images = training_images(x, y, None, preprocessing)
        frozen.check_images(images)
        return images
    if isinstance(x, ImageDataset):
        if y is not None:
            raise TypeError("an ImageDataset holds its labels: leave y out")
        check_preprocessing(x, preprocessing)
        return data_set_images(x.images, input_shape)
    if y is None:
        raise TypeError("labels y are missing: give them, or an ImageDataset")
    return image_array(x, input_shape)


def labelled(
    x: Data, y: ArrayLike | None, images: ImagesOrMapped, classes: ClassMap
) -> LabelledArrays:
    """`images` with their labels in the numbering of `classes`; a data set's matched by name.

    Raises
    ------
    DataError
        The data set has a class that `classes` lacks; both sides are listed.
    TypeError, ValueError
        Labels of arrays are wrong: see `class_indices`.
    """
    if not isinstance(x, ImageDataset):
        assert y is not None
        return LabelledArrays(images, class_indices(y, len(images), len(classes)))
    unknown = [name for name in x.classes if name not in classes]
    if unknown:
        raise DataError(
            f"classes that the model does not know: {list_names(unknown)}; the data set has "
            f"{list_names(x.classes)}, the model {list_names(classes)}"
        )
    numbers = classes.encode(x.classes.names)
    return LabelledArrays(images, np.ascontiguousarray(numbers[x.labels], dtype=np.int32))


def validation_arrays(
    data: object,
    input_shape: Shape,
    preprocessing: Preprocessing | None,
    classes: ClassMap,
    frozen: FrozenInputs | None = None,
) -> LabelledArrays | None:
    """The `validation_data` of `fit`; errors as those of `training_images` and `labelled`."""
    if data is None:
        return None
    x: Data
    y: ArrayLike | None
    if isinstance(data, ImageDataset):
        x, y = data, None
    elif isinstance(data, (tuple, list)) and len(data) == 2:
        x, y = data
    else:
        raise TypeError("validation_data must be an ImageDataset or a pair (x, y)")
    try:
        images = training_images(x, y, input_shape, preprocessing, frozen)
        found = labelled(x, y, images, classes)
        if frozen is not None:
            found = dataclasses.replace(found, images=frozen.of(x, images))
        return found
    except (DataError, ValueError, TypeError) as error:
        raise type(error)(f"validation_data: {error}") from None


def classes_of(x: Data, units: int, last_layer: str) -> ClassMap:
    """The classes that training data bring: a data set's own, "0" to "K-1" for arrays.

    Raises
    ------
    ValueError
        The data set has more or fewer classes than the last layer has outputs (`units`).
    """
    if not isinstance(x, ImageDataset):
        return numbered_classes(units)
    if len(x.classes) != units:
        raise ValueError(
            f"the data set has {len(x.classes)} classes, but the last layer {last_layer!r} has "
            f"{units} outputs: there must be one output per class"
        )
    return x.classes


def numbered_classes(count: int) -> ClassMap:
    """ "0", "1", ...: the names of classes that nobody named."""
    return ClassMap(tuple(map(str, range(count))))


def preprocessing_of(x: Data, images: ImagesOrMapped) -> Preprocessing | None:
    """How files become inputs like these training data; None where that cannot be known."""
    if isinstance(x, ImageDataset):
        return x.preprocessing
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] in (1, 3):
        # What decoding gives, so that the model can read files as well.
        color = "gray" if images.shape[3] == 1 else "rgb"
        return Preprocessing(images.shape[1], images.shape[2], color)
    return None


def check_preprocessing(data: ImageDataset, preprocessing: Preprocessing | None) -> None:
    """DataError if `data` was prepared otherwise than the model's training data were."""
    if preprocessing is None:
        return
    ours, theirs = preprocessing.to_dict(), data.preprocessing.to_dict()
    # Mean and deviation are applied by the network: those of the training data hold.
    differing = [k for k in ours if ours[k] != theirs[k] and k not in ("mean", "std")]
    if differing:
        said = ", ".join(f"{k} {theirs[k]!r} instead of {ours[k]!r}" for k in differing)
        raise DataError(
            f"this data set was prepared otherwise than the model's training data: {said}; "
            "read it with the model's preprocessing"
        )
