"""Images with their labels, in the numbering of the model's classes.

N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.dataset import ImageDataset
from nncore.data.labels.class_map import ClassMap, list_names
from nncore.data.labels.encoding import class_names
from nncore.data.mapped import MappedImages
from nncore.errors import DataError
from nncore.training.images.arrays import class_indices

if TYPE_CHECKING:
    from nncore import _core
    from nncore.training.images.arrays import ImagesOrMapped

Data: TypeAlias = ImageDataset | ArrayLike


@dataclass(frozen=True)
class LabelledArrays:
    """What the engine trains on: images (N, *input_shape), targets (N,) or (N, K), weights (N,)."""

    images: ImagesOrMapped
    targets: _core.Targets
    weights: NDArray[np.float32] | None = None
    # The images are what the network's fixed layers made of them; see `fixed_layers.py`.
    extracted: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def in_memory(self) -> tuple[_core.Images, NDArray[np.int32] | None]:
        """An array that the engine can address, and which of its images are meant (None: all)."""
        if isinstance(self.images, MappedImages):
            return self.images.checked_source(), self.images.rows
        return self.images, None


def joined(parts: Sequence[LabelledArrays]) -> LabelledArrays:
    """One behind the other, without weights."""
    images: Any = [np.asarray(part.images) for part in parts]
    dtypes = {one.dtype for one in images}
    if len(dtypes) > 1:
        raise DataError(f"some batches hold {' and some '.join(sorted(map(str, dtypes)))}")
    return LabelledArrays(np.concatenate(images), np.concatenate([p.targets for p in parts]))


def labels_of(x: Data, y: ArrayLike | None, count: int, classes: ClassMap) -> _core.Targets:
    """Labels int32 (N,) of `count` images in the numbering of `classes`; a data set's by name.

    Raises
    ------
    DataError
        The data set has a class that `classes` lacks; both sides are listed.
    TypeError, ValueError
        Labels of arrays are wrong: see `class_indices`.
    """
    if not isinstance(x, ImageDataset):
        assert y is not None
        names = class_names(y, "y")
        if names is None:
            return class_indices(y, count, len(classes))
        if len(names) != count:
            raise ValueError(f"{count} images but {len(names)} labels in y: give one per image")
        unknown = sorted({name for name in names if name not in classes})
        if unknown:
            raise DataError(
                f"y has class names that the model does not know: {list_names(unknown)}; it knows "
                f"{list_names(classes)}"
            )
        return np.ascontiguousarray(classes.encode(names), dtype=np.int32)
    unknown = [name for name in x.classes if name not in classes]
    if unknown:
        raise DataError(
            f"classes that the model does not know: {list_names(unknown)}; the data set has "
            f"{list_names(x.classes)}, the model {list_names(classes)}"
        )
    numbers = classes.encode(x.classes.names)
    return np.ascontiguousarray(numbers[x.labels], dtype=np.int32)


def classes_of(x: Data, y: ArrayLike | None, units: int, last_layer: str) -> ClassMap:
    """The classes that training data bring: a data set's own, "0" to "K-1" for arrays.

    Raises
    ------
    ValueError
        The data set has more or fewer than the last layer has outputs (`units`).
    TypeError
        Labels are names, whose numbers nobody has given, or some are names and others are not.
    """
    if not isinstance(x, ImageDataset):
        names = class_names(y, "y")
        if names is not None:
            raise TypeError(
                f"y holds class names such as {names[0]!r}, and this model knows no names yet: "
                "train on ImageDataset.from_arrays(x, y), which gives each name a number, or "
                "turn them into numbers by nn.ClassMap.from_names([...]).encode(names)"
            )
        return numbered_classes(units)
    if len(x.classes) != units:
        raise ValueError(
            f"the data set has {len(x.classes)} classes ({list_names(x.classes)}), but the last "
            f"layer {last_layer!r} has {units} outputs: there must be one output per class"
        )
    return x.classes


def numbered_classes(count: int) -> ClassMap:
    """ "0", "1", ...: the names of classes that nobody named."""
    return ClassMap(tuple(map(str, range(count))))
