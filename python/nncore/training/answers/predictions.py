"""`predict`: from files, folders, pictures and arrays to labels and probabilities."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.array_protocols import native
from nncore.data.dataset import ImageDataset
from nncore.data.pictures.decode import MAX_PIXELS, decode_image
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.load import load_files
from nncore.data.reading.pictures import holds_pictures, is_path, is_picture, sources_of
from nncore.data.reading.settings import Reading
from nncore.data.reading.source import Source
from nncore.data.skipped import SkippedFile, in_words
from nncore.data.sources.folder import find_images
from nncore.data.spread import SpreadImages
from nncore.errors import DataError
from nncore.layers import Shape
from nncore.process.team import by_first
from nncore.training.answers.evaluation import block_size
from nncore.training.answers.prediction_sets import set_sizes
from nncore.training.images.arrays import as_array, data_set_images, image_array
from nncore.training.images.prepared import check_preprocessing

if TYPE_CHECKING:
    from nncore.training.images.arrays import ImagesOrMapped

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image.

    Attributes
    ----------
    path : str or None
        The file, if the image came from one.
    label : str
        Name of the most probable class.
    index : int
        Its number, from 0.
    probability : float
        Its probability.
    top : tuple of (str, float)
        The `top_k` most probable classes with their probabilities, the best first; of equal ones
        the first in the model's order.
    set : tuple of str or None
        The classes that hold the true one as often as `coverage` asks for, the most probable
        first, at least one; None where `predict` was asked for no coverage.
    unknown : bool or None
        Whether the image is unlike those that the model knows, and perhaps none of its classes;
        None where the model cannot tell.
    unknown_score : float or None
        How unlike: unknown above 1, which 5 in 100 images of the known kind exceed.
    """

    path: str | None
    label: str
    index: int
    probability: float
    top: tuple[tuple[str, float], ...]
    set: tuple[str, ...] | None = None
    unknown: bool | None = None
    unknown_score: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "path": self.path,
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": label, "probability": p} for label, p in self.top],
            "set": None if self.set is None else list(self.set),
            "unknown": self.unknown,
            "unknown_score": self.unknown_score,
        }


class Predictions(list[Prediction]):
    """Predictions in the order of the images.

    `skipped` lists the files found in a folder that gave no image, with the reasons. A file that
    was named itself is an error if it gives no image, unless `predict` was told to skip it.
    """

    def __init__(
        self, predictions: Sequence[Prediction] = (), skipped: Sequence[SkippedFile] = ()
    ) -> None:
        super().__init__(predictions)
        self.skipped = list(skipped)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form: what `nncore predict --json` prints and `nncore serve` answers."""
        return {
            "predictions": [one.to_dict() for one in self],
            "skipped": [file.to_dict() for file in self.skipped],
        }


@dataclass(frozen=True)
class Gathered:
    """Images for the network, with their files (None where they have none)."""

    images: ImagesOrMapped
    paths: list[str | None]
    skipped: list[SkippedFile]


def predictions_of(
    gathered: Gathered,
    answers_of: Callable[[ImagesOrMapped, int], tuple[F32, F32 | None]],
    names: Sequence[str],
    top_k: int,
    threshold: float | None = None,
) -> Predictions:
    """What `Sequential.predict` returns; `answers_of` gives probabilities (n, K) and, where
    they are known, scores of `Novelty` (n,) for a block of images and the number of its first;
    `threshold` is that of the classes in a set.

    Raises
    ------
    ValueError, TypeError
        `top_k` is not from 1 to K.
    """
    top_k = check_int("top_k", top_k, 1, len(names))
    predictions, size = [], block_size(len(names))
    for start in range(0, len(gathered.paths), size):
        block = slice(start, start + size)
        probabilities, foreign = answers_of(_some(gathered.images, block), start)
        # A stable sort of the negated values: equal ones stay in the order of the classes.
        order = np.argsort(-probabilities, axis=1, kind="stable")
        sizes = None if threshold is None else set_sizes(probabilities, threshold)
        tops = order[:, :top_k].tolist()
        for at, (path, row) in enumerate(zip(gathered.paths[block], probabilities, strict=True)):
            best = tops[at]
            top = tuple((names[index], float(row[index])) for index in best)
            label, probability = top[0]
            held = None if sizes is None else order[at, : sizes[at]].tolist()
            classes = None if held is None else tuple(names[index] for index in held)
            score = None if foreign is None else float(foreign[at])
            unknown = None if score is None else score > 1
            predictions.append(
                Prediction(path, label, best[0], probability, top, classes, unknown, score)
            )
    return Predictions(predictions, gathered.skipped)


def _some(images: ImagesOrMapped, block: slice) -> ImagesOrMapped:
    """A block of images; of those of a team none is moved."""
    if isinstance(images, SpreadImages):
        return images.take(np.arange(len(images))[block])
    return images[block]


def gather_images(
    x: Any,
    image_shape: Shape,
    preprocessing: Preprocessing | None,
    max_pixels: int | None = None,
    skip_unusable: bool = False,
) -> Gathered:
    """Whatever `Sequential.predict` accepts, prepared as the training images were.

    Parameters
    ----------
    x
        Files, folders, pictures, arrays or a data set.
    image_shape
        Of one image, as the model takes it.
    preprocessing
        How files are read; None where the model does not know.
    max_pixels
        Larger pictures are refused; None: `MAX_PIXELS`.
    skip_unusable
        List named files that give no image in `skipped`; then there may be no image at all.

    Raises
    ------
    DataError
        A named file gives no image, or there is no image at all.
    ValueError, TypeError
        The model does not know how to read files, or an array does not suit it.
    """
    if isinstance(x, ImageDataset):
        check_preprocessing(x, preprocessing)
        return Gathered(
            data_set_images(x.images, image_shape), [path or None for path in x.paths], []
        )
    x = sources_of(x)
    if isinstance(x, (list, tuple)) and not x:
        raise DataError("there is nothing to predict: the list is empty")
    if holds_pictures(x):
        limit = MAX_PIXELS if max_pixels is None else max_pixels
        return _from_sources(x, _needed(preprocessing), limit, skip_unusable)
    array = as_array(_joined_batches(x, image_shape))
    if array.shape == image_shape or (*array.shape, 1) == image_shape:
        array = array[np.newaxis]
    pixels = image_array(array, image_shape)
    return Gathered(pixels, [None] * len(pixels), [])


def is_one_image(x: Any, image_shape: Shape) -> bool:
    """Whether `x`, which `gather_images` takes, is one image by itself rather than some of them."""
    if is_path(x):
        return not os.path.isdir(x)
    if is_picture(x) or isinstance(x, ImageDataset):
        return is_picture(x)
    if holds_pictures(x):
        return False
    shape = np.shape(x)
    return shape == image_shape or (*shape, 1) == image_shape


def _joined_batches(x: Any, image_shape: Shape) -> Any:
    """One array, where `x` is a list of batches, (n, *image_shape) each, or of such with labels."""
    if not isinstance(x, list) or not x:
        return x
    parts = [
        native(one[0], "x")
        if isinstance(one, (tuple, list)) and len(one) in (2, 3) and hasattr(one[0], "shape")
        else one
        for one in x
    ]
    for part in parts:
        shape = np.shape(part)
        if shape[1:] != image_shape and (not shape or (*shape[1:], 1) != image_shape):
            return x
    return np.concatenate([np.asarray(part) for part in parts])


def _from_sources(
    sources: Sequence[Any], preprocessing: Preprocessing, max_pixels: int, skip_unusable: bool
) -> Gathered:
    """Images of files, folders and pictures, in the order given."""
    images: list[NDArray[np.uint8]] = []
    paths: list[str | None] = []
    skipped: list[SkippedFile] = []
    kinds = by_first(lambda: [_kind(source) for source in sources])
    pairs = itertools.groupby(zip(kinds, sources, strict=True), lambda pair: pair[0])
    groups = [(kind, [source for _, source in group]) for kind, group in pairs]
    for kind, group in groups:
        if kind == "picture":
            images += [
                decode_image(picture, preprocessing, max_pixels=max_pixels)[np.newaxis]
                for picture in group
            ]
            paths += [None] * (len(images) - len(paths))
            continue
        files, left_out = by_first(partial(find_images, group, skip_unusable=skip_unusable))
        reading = Reading(preprocessing=preprocessing, max_pixels=max_pixels)
        loaded = load_files(Source("", "", files), reading)
        found, broken = [files[position] for position in loaded.kept], loaded.skipped
        if kind == "file":
            if broken and not skip_unusable:
                raise DataError(in_words(broken))
            # Whoever names a file means a picture, whatever is in it.
            broken = [replace(file, kind="broken") for file in broken]
        paths += found
        skipped += [*left_out, *broken]
        if len(groups) == 1 and found:  # as they are, without a copy
            return Gathered(loaded.images, paths, skipped)
        pixels = np.asarray(loaded.images)
        images.extend(np.split(pixels, len(pixels)) if len(pixels) else [])
    if not images:
        if not skip_unusable:
            raise DataError(f"there is no image to predict: {in_words(skipped)}")
        prepared = preprocessing.input_shape
        return Gathered(np.empty((0, *prepared), np.uint8), [], skipped)
    return Gathered(np.concatenate(images), paths, skipped)


def _kind(source: object) -> str:
    if is_picture(source):
        return "picture"
    if not is_path(source):
        raise TypeError(
            f"a list of images holds files, folders or PIL images, not {type(source).__name__}"
        )
    return "folder" if os.path.isdir(cast("str", source)) else "file"


def _needed(preprocessing: Preprocessing | None) -> Preprocessing:
    if preprocessing is None:
        raise ValueError(
            "this model was not trained on image files nor on uint8 images, so it does not know "
            "how to prepare a file; pass an array prepared like its training data"
        )
    return preprocessing
