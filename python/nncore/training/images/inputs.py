"""The kinds of input: what happens to images on their way to the first layer.

A model of pixels takes images as they are; one of frozen features (`features.py`) sends them
through another network first. Whatever differs between them is a method of `Inputs`, so that
training, evaluation and prediction are the same for every kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.layers import Layer, Shape
from nncore.training.images.arrays import data_set_images
from nncore.training.images.input_range import (
    ANY,
    InputRange,
    Limits,
    warn_of_training_values,
    warn_of_values,
)

if TYPE_CHECKING:
    from nncore import _core
    from nncore.data.preprocessing import Preprocessing
    from nncore.interop.onnx_features import Features
    from nncore.training.images.arrays import ImagesOrMapped

F32 = NDArray[np.float32]
_PIXELS = (np.dtype(np.uint8), np.dtype(np.float32))

# As many images as the engine is given at once for inference, which Ctrl-C cannot interrupt.
IMAGES_AT_ONCE = 4096


class Inputs(Protocol):
    """One kind of input, immutable. N images; an image is what people give, (H, W, C)."""

    @property
    def features(self) -> Features | None:
        """The frozen network before the first layer; None where there is none."""

    def fresh(self, shape: Shape) -> tuple[Inputs, Shape]:
        """For a model that is built anew for `shape`: what knows no data, and the layers' input.

        Raises ValueError where this kind cannot take such images.
        """

    def image_shape(self, input_shape: Shape | None) -> Shape | None:
        """Shape of one image for layers that take `input_shape` (None before `build`)."""

    def input_shape(self, image_shape: Shape) -> Shape:
        """What the layers take where one image has this shape."""

    def images(self, x: Any, input_shape: Shape | None) -> ImagesOrMapped:
        """`x` as images that this kind and layers of `input_shape` take.

        Raises TypeError, ValueError or DataError: see `data_set_images`.
        """

    def check_augmentation(self) -> None:
        """ValueError where images must not change from epoch to epoch."""

    def preprocessing(self, found: Preprocessing | None) -> Preprocessing | None:
        """What the model remembers of how its training images were prepared."""

    def normalization(self, preprocessing: Preprocessing) -> tuple[Any, Any] | None:
        """Mean and deviation that the engine applies to uint8 images; None: none."""

    def fitted(self, x: object, images: ImagesOrMapped) -> Inputs:
        """With what is measured on the first training images."""

    def of(self, x: object, images: ImagesOrMapped) -> ImagesOrMapped:
        """What the engine takes for labelled `images`, which come from `x` and may come again."""

    def of_new(self, images: ImagesOrMapped) -> _core.Images:
        """The same for a block of images that nobody will ask for again."""

    def restored(self, float_range: list[float] | None) -> Inputs:
        """With what `float_range` gave; None: the model was trained on bytes."""

    def float_range(self) -> list[float] | None:
        """Smallest and largest value of the training images, if they were floats."""

    def bytes_refused(self) -> str | None:
        """Why bytes cannot stand for what the model was trained on; None where they can."""

    def check_values(self, images: ImagesOrMapped, preprocessing: Preprocessing | None) -> None:
        """A UserWarning where images are unlike those that the model was trained on."""

    def check_training_values(self, images: ImagesOrMapped, layers: Sequence[Layer]) -> None:
        """A UserWarning where layers can hardly be trained on such images."""

    def at_once(
        self, x: object, preprocessing: Preprocessing | None
    ) -> tuple[NDArray[Any], Limits] | None:
        """`x` itself, where it is an array that the engine may be given unchecked as long as its
        floats are within the limits; else None."""

    def tensors(self) -> dict[str, F32]:
        """What the model file stores beside the weights."""

    def to_dict(self) -> dict[str, Any] | None:
        """What the model file says of this kind; None for pixels."""


@dataclass(frozen=True)
class PixelInputs:
    """Images go into the first layer as they are.

    `range` is that of the training images, None before there were any; `taught` models have
    weights from elsewhere, which ask for a range that nobody knows.
    """

    range: InputRange | None = None
    taught: bool = False

    @property
    def features(self) -> None:
        return None

    def fresh(self, shape: Shape) -> tuple[Inputs, Shape]:
        return PixelInputs(), shape

    def image_shape(self, input_shape: Shape | None) -> Shape | None:
        return input_shape

    def input_shape(self, image_shape: Shape) -> Shape:
        return image_shape

    def images(self, x: Any, input_shape: Shape | None) -> ImagesOrMapped:
        return data_set_images(x, input_shape)

    def check_augmentation(self) -> None: ...

    def preprocessing(self, found: Preprocessing | None) -> Preprocessing | None:
        return found

    def normalization(self, preprocessing: Preprocessing) -> tuple[Any, Any] | None:
        if preprocessing.mean and preprocessing.std:
            return preprocessing.mean, preprocessing.std
        return None

    def fitted(self, x: object, images: ImagesOrMapped) -> Inputs:
        if self.range is not None:
            return self
        return replace(self, range=InputRange.of(images))

    def restored(self, float_range: list[float] | None) -> Inputs:
        known = InputRange(True) if float_range is None else InputRange(False, *float_range)
        return replace(self, range=known)

    def float_range(self) -> list[float] | None:
        known = self.range
        return None if known is None or known.bytes else [known.low, known.high]

    def bytes_refused(self) -> str | None:
        return None if self.range is None else self.range.bytes_refused()

    def check_values(self, images: ImagesOrMapped, preprocessing: Preprocessing | None) -> None:
        if self.range is not None:
            warn_of_values(self.range, images, preprocessing)

    def check_training_values(self, images: ImagesOrMapped, layers: Sequence[Layer]) -> None:
        if self.range is None and not self.taught:
            warn_of_training_values(images, layers)

    def of(self, x: object, images: ImagesOrMapped) -> ImagesOrMapped:
        return images

    def of_new(self, images: ImagesOrMapped) -> _core.Images:
        return images[:]

    def at_once(
        self, x: object, preprocessing: Preprocessing | None
    ) -> tuple[NDArray[Any], Limits] | None:
        # The engine looks at dtype and shape itself, and declines what needs friendlier words.
        if not isinstance(x, np.ndarray) or x.ndim == 0 or len(x) > IMAGES_AT_ONCE:
            return None
        limits = ANY if self.range is None else self.range.plain(x.dtype, preprocessing)
        return None if limits is None else (x, limits)

    def tensors(self) -> dict[str, F32]:
        return {}

    def to_dict(self) -> dict[str, Any] | None:
        return None
