"""A few pictures of known classes, to look at what a model says of them while it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.dataset import ImageDataset
from nncore.data.labels.class_map import ClassMap
from nncore.training.images.labelled import labels_of

LabelledImages = ImageDataset | tuple[ArrayLike, ArrayLike]


class Predicting(Protocol):
    """A model, as far as it is needed here."""

    def predict_proba(self, x: Any) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Guess:
    """What a model says of one picture: the most probable classes with their probabilities, and
    that of the right one."""

    top: tuple[tuple[str, float], ...]
    is_right: bool
    true_probability: float


@dataclass(frozen=True)
class Samples:
    """Pictures as the model takes them, and the right class of each.

    Attributes
    ----------
    images
        (N, H, W) or (N, H, W, C), of any numbers.
    labels
        (N,), in the numbering of `names`.
    names
        Of all classes of the model.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    names: Sequence[str]

    @classmethod
    def of(cls, data: LabelledImages, classes: ClassMap, most: int) -> Samples:
        """At most so many of `data`, from as many of the model's `classes` as can be.

        Raises
        ------
        DataError, TypeError, ValueError
            The labels are not those of the model, or the images are no pictures.
        """
        x: Any
        x, y = (data, None) if isinstance(data, ImageDataset) else data
        images = x.images if isinstance(x, ImageDataset) else np.asarray(x)
        if len(images.shape) not in (3, 4):
            raise ValueError(f"no pictures to show: an array of the shape {images.shape}")
        targets = np.asarray(labels_of(x, y, len(images), classes))
        labels = (targets.argmax(axis=1) if targets.ndim == 2 else targets).astype(np.int64)
        chosen = evenly(labels, most)
        return cls(np.stack([images[at] for at in chosen.tolist()]), labels[chosen], classes.names)

    def __len__(self) -> int:
        return len(self.images)

    def guesses(self, model: Predicting, top: int = 3) -> list[Guess]:
        """What the model says of each just now."""
        probabilities = model.predict_proba(self.images)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top].tolist()
        return [
            Guess(
                tuple((self.names[label], float(row[label])) for label in best),
                best[0] == true,
                float(row[true]),
            )
            for row, best, true in zip(probabilities, order, self.labels.tolist(), strict=True)
        ]

    def as_bytes(self) -> list[NDArray[np.uint8]]:
        """Each picture as uint8; other numbers from the lowest to the highest of the picture."""
        return [_as_bytes(image) for image in self.images]


def evenly(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Positions of at most so many, from as many classes as can be, and evenly over each."""
    present = np.unique(labels)
    if len(present) > most:
        present = present[np.linspace(0, len(present) - 1, most).astype(int)]
    places = [np.flatnonzero(labels == label) for label in present.tolist()]
    each, more = divmod(most, max(len(places), 1))
    counts = [min(each + (at < more), len(own)) for at, own in enumerate(places)]
    chosen = [
        own[np.linspace(0, len(own) - 1, count).astype(int)]
        for own, count in zip(places, counts, strict=True)
    ]
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def _as_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    scaled = (image.astype(np.float64) - low) * (255 / (high - low) if high > low else 0.0)
    return scaled.astype(np.uint8)
