"""What people give to `fit` and `evaluate`, a data set or arrays, made ready for the engine.

images -> shape -> classes -> preprocessing -> inputs, in one place. N images, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nncore.array_protocols import native
from nncore.data.augmentation import Augmentation
from nncore.data.dataset import ImageDataset
from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.pictures import holds_pictures, read_pictures, sources_of
from nncore.data.reading.settings import Reading
from nncore.data.spread import SpreadImages
from nncore.errors import DataError
from nncore.layers import Shape
from nncore.layers.stack import LayerStack
from nncore.training.images.batch_stream import BatchStream, stream_of
from nncore.training.images.batches import (
    ArrayBatches,
    Batches,
    SpreadBatches,
    StreamedBatches,
)
from nncore.training.images.inputs import Inputs
from nncore.training.images.labelled import Data, LabelledArrays, classes_of, joined, labels_of
from nncore.training.images.weights import ClassWeight, class_weights, image_weights

if TYPE_CHECKING:
    from nncore.training.images.arrays import ImagesOrMapped


@dataclass(frozen=True)
class Known:
    """What a model knows before it is given data.

    Attributes
    ----------
    stack
        Its layers.
    inputs
        Its kind of input.
    input_shape
        What the first layer takes; None before `build`.
    classes, preprocessing
        Of its training data; None before there were any, or where they do not say.
    """

    stack: LayerStack
    inputs: Inputs
    input_shape: Shape | None
    classes: ClassMap | None
    preprocessing: Preprocessing | None

    def images(self, x: Data, y: ArrayLike | None) -> ImagesOrMapped:
        """The images of `x`, checked against what the network takes and was trained on.

        Raises
        ------
        TypeError
            Labels are missing, or given beside a data set; a wrong dtype.
        DataError, ValueError
            See `Inputs.images` and `check_preprocessing`.
        """
        if not isinstance(x, ImageDataset):
            if y is None:
                raise TypeError("labels y are missing: give them, or an ImageDataset")
            images = self.inputs.images(self._opened(x), self.input_shape)
            self.inputs.check_values(images, self.preprocessing)
            return images
        if y is not None:
            raise TypeError("an ImageDataset holds its labels: leave y out")
        check_preprocessing(x, self.preprocessing)
        images = self.inputs.images(x.images, self.input_shape)
        self.inputs.check_values(images, self.preprocessing)
        return images

    def labelled(
        self,
        x: Data,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        by_class: Mapping[str, float] | None = None,
    ) -> LabelledArrays:
        """`x` and `y` as the engine takes them, by the model's own classes; for training with
        weights.

        Errors as those of `images`, `labels_of` and `image_weights`.
        """
        assert self.classes is not None
        y = native(y, "y")
        images = self.images(x, y)
        labels = labels_of(x, y, len(images), self.classes)
        weights = image_weights(by_class, sample_weight, labels)
        return LabelledArrays(self.inputs.of(x, images), labels, weights)

    def _opened(self, x: Any) -> Any:
        """Pixels, where `x` is files or pictures; else what NumPy can read."""
        x = sources_of(x)
        return read_pictures(x, self._reading())[0] if holds_pictures(x) else x

    def _reading(self) -> Reading:
        """How files become images like those that the model knows; what is still open, the files
        decide."""
        shape = self.inputs.image_shape(self.input_shape)
        if self.preprocessing is not None:
            return Reading(preprocessing=self.preprocessing)
        if shape is None:
            return Reading()
        if self.inputs.float_range() is not None or len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(
                "this model was not made for image files nor trained on uint8 images, so it does "
                "not know how to prepare a file; pass an array prepared like its training data"
            )
        return Reading(shape[:2], "gray" if shape[2] == 1 else "rgb")


@dataclass(frozen=True)
class Prepared:
    """Training data as the engine takes them, and all that follows from them.

    Attributes
    ----------
    train, validation
        For the engine; `validation` may be None.
    classes, preprocessing, inputs
        What the model knows from now on.
    input_shape
        What its first layer takes.
    augmentation
        None where nothing would be changed.
    class_weight
        Weight of each class by name; None without.
    streamed
        Where batches come one by one, all of them; `train` is the first.
    """

    train: LabelledArrays
    validation: LabelledArrays | None
    classes: ClassMap
    preprocessing: Preprocessing | None
    inputs: Inputs
    input_shape: Shape
    augmentation: Augmentation | None = None
    class_weight: dict[str, float] | None = None
    streamed: LabelledStream | None = None

    def batches(self, batch_size: int, seed: int) -> Batches:
        """Where the training loop gets its images."""
        if self.streamed is None:
            spread = isinstance(self.train.images, SpreadImages)
            return (SpreadBatches if spread else ArrayBatches)(self.train, batch_size, seed)
        return StreamedBatches(self.streamed.next, self.streamed.steps)

    def in_memory(self) -> Prepared:
        """These, or a TypeError where batches come one by one."""
        if self.streamed is not None:
            raise TypeError("batches will not do here: give an ImageDataset, or arrays x and y")
        return self

    def iterations(self, batch_size: int) -> int:
        """Steps of an epoch."""
        if self.streamed is None:
            return math.ceil(len(self.train) / batch_size)
        return self.streamed.steps

    @property
    def images(self) -> int:
        """Training images of an epoch; of a stream as if all batches had the size of the first."""
        return len(self.train) * (1 if self.streamed is None else self.streamed.steps)


class LabelledStream:
    """The batches of a stream as the engine takes them, by what the first one has settled.

    Parameters
    ----------
    stream
        All but the first.
    known
        The model, with what follows from the first.
    by_class
        Weights of classes.
    first
        The first batch.
    """

    def __init__(
        self,
        stream: BatchStream,
        known: Known,
        by_class: Mapping[str, float] | None,
        first: LabelledArrays,
    ) -> None:
        self.steps = stream.steps
        self._stream, self._known, self._by_class = stream, known, by_class
        self._first: LabelledArrays | None = first

    def next(self) -> LabelledArrays:
        """The next batch; errors as of `prepare`, and of `BatchStream.next`."""
        first, self._first = self._first, None
        if first is not None:
            return first
        x, y, weights = self._stream.next()
        return self._known.labelled(x, y, native(weights, "weights"), self._by_class)


def prepare(
    known: Known,
    x: Any,
    y: ArrayLike | None,
    validation_data: object = None,
    *,
    augmentation: Augmentation | None = None,
    class_weight: ClassWeight | None = None,
    sample_weight: ArrayLike | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
) -> Prepared:
    """The arguments of `Sequential.fit` that are data, checked before anything is computed; of a
    stream of batches the first is taken.

    Raises
    ------
    DataError, ValueError, TypeError
        Data do not suit each other or the model.
    """
    stream = stream_of(x, y, steps_per_epoch)
    if stream is not None:
        if sample_weight is not None:
            raise ValueError("sample_weight of batches is their third part: (x, y, weights)")
        if class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' cannot be known before all batches are: give the weights "
                "as a mapping"
            )
        x, y, sample_weight = stream.next()
    y, sample_weight = native(y, "y"), native(sample_weight, "sample_weight")
    images = known.images(x, y)
    if augmentation is not None:
        known.inputs.check_augmentation()
    input_shape = known.inputs.input_shape(images.shape[1:])
    units = known.stack.output_size(input_shape)
    classes = known.classes or classes_of(x, y, units, known.stack.names[-1])
    preprocessing = known.preprocessing or preprocessing_of(x, images)
    preprocessing = known.inputs.preprocessing(preprocessing)
    labels = labels_of(x, y, len(images), classes)
    by_class = class_weights(class_weight, labels, classes)
    weights = image_weights(by_class, sample_weight, labels)
    augmentation = _checked_augmentation(augmentation, images)
    known.inputs.check_training_values(images, known.stack.layers)
    inputs = known.inputs.fitted(x, images)
    settled = Known(known.stack, inputs, input_shape, classes, preprocessing)
    validation = _validation(settled, validation_data, validation_steps)
    train = LabelledArrays(inputs.of(x, images), labels, weights)
    streamed = None if stream is None else LabelledStream(stream, settled, by_class, train)
    return Prepared(
        train,
        validation,
        classes,
        preprocessing,
        inputs,
        input_shape,
        augmentation,
        by_class,
        streamed,
    )


def _validation(known: Known, data: Any, steps: int | None) -> LabelledArrays | None:
    """The `validation_data` of `fit`; errors as those of `Known.labelled`."""
    if data is None:
        return None
    stream = stream_of(data, None, steps, "validation_data", "validation_steps")
    if stream is not None:
        return joined([known.labelled(x, y) for x, y, _ in stream])
    x: Data
    y: ArrayLike | None
    if isinstance(data, ImageDataset):
        x, y = data, None
    elif isinstance(data, (tuple, list)) and len(data) == 2:
        x, y = data
    else:
        raise TypeError(
            "validation_data must be an ImageDataset, a pair (x, y), or an iterator of such pairs"
        )
    try:
        return known.labelled(x, y)
    except (DataError, ValueError, TypeError) as error:
        raise type(error)(f"validation_data: {error}") from None


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
    # Mean and deviation are applied by the network: those of the training data hold. How arrays
    # came to their size and colour, only who made them knows.
    from_files = data.digests is not None
    compared = set(ours) - {"mean", "std"} if from_files else {"height", "width", "color"}
    differing = [k for k in ours if ours[k] != theirs[k] and k in compared]
    if differing:
        said = ", ".join(f"{k} {theirs[k]!r} instead of {ours[k]!r}" for k in differing)
        raise DataError(
            f"this data set was prepared otherwise than the model's training data: {said}; "
            "read it with the model's preprocessing (preprocessing=model.preprocessing)"
        )


def _checked_augmentation(
    augmentation: Augmentation | None, images: ImagesOrMapped
) -> Augmentation | None:
    """None where nothing would be changed."""
    if augmentation is None:
        return None
    if not isinstance(augmentation, Augmentation):
        raise TypeError(
            f"augmentation must be one such as Augmentation(shift=0.1), not {augmentation!r}"
        )
    if augmentation.changes_nothing:
        return None
    augmentation.check_images(images)
    return augmentation
