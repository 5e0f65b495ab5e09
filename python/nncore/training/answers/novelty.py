"""How unlike the images that a model knows an image is: perhaps none of its classes.

A network answers whatever it is shown, and often surely. What stands before its last layer tells
more: images of a class lie close together there, foreign ones mostly elsewhere. The score of an
image is the Mahalanobis distance of its features from the mean of the nearest class, by the
covariance that all classes share (Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018), of features whose length is the
square root of what it was. Of features as they are, foreign images that hardly excite a network
pass for known ones, and of features of length 1 (Mueller and Hein, "Mahalanobis++", ICML 2025)
those that excite it beyond measure; half way between, both are found.

Where there are more than `DIMENSIONS` features, sums of them with random signs stand for them,
which keeps angles nearly as they are (Achlioptas, "Database-friendly random projections", 2003).
Every sum is one of nncore's products or in the order of its terms, so that scores and files are the
same bits everywhere.

N images, F features, D dimensions, K classes.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import kernels
from nncore.arguments import check_int, check_number

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Labels = NDArray[np.integer]

FALSE_ALARMS = 0.05
"""The share of known images whose score is above the threshold."""
FEWEST_OF_A_CLASS = 3
DIMENSIONS = 128
MOST_FEATURES = 1 << 15  # A matrix of signs for more would be larger than most models.
_FOLDS = 5
# No slash: no parameter can be called so.
_CENTRE, _WHITENING, _MEANS = (
    f"calibration.{name}" for name in ("centre", "whitening", "class_means")
)


@dataclass(frozen=True, eq=False)
class Novelty:
    """What tells unknown images from known ones.

    Attributes
    ----------
    centre : float32 (D,)
        Mean of the descriptors of all images that it was made from.
    whitening : float32 (D, D)
        Brings descriptors, less the centre, to where the classes have the covariance 1.
    means : float32 (K, D)
        Of each class, there.
    images : int
        How many it was made from.
    threshold : float
        Distances above it are those of unknown images.
    false_alarms : float
        For which share of known ones the threshold was chosen.
    """

    centre: F32
    whitening: F32
    means: F32
    images: int
    threshold: float = math.inf
    false_alarms: float = FALSE_ALARMS

    @classmethod
    def of(cls, descriptors: F32, labels: Labels, classes: int) -> Novelty:
        """From `descriptors_of` images (N, D) that the model has not learned from, and the numbers
        (N,) of their classes.

        The threshold is that of distances that are measured in fifths of the images by what the
        others give: it exceeds so many that one more image of their kind exceeds it with the
        probability `FALSE_ALARMS`.

        Raises
        ------
        ValueError
            There are too few images of a class.
        """
        fewest = int(np.bincount(labels, minlength=classes).min())
        if fewest < FEWEST_OF_A_CLASS:
            raise ValueError(
                f"{fewest} images of a class say too little about it: at least "
                f"{FEWEST_OF_A_CLASS} of each are needed"
            )
        fold = np.empty(len(labels), np.int64)
        # Class by class, so that each fold has its part of each.
        fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % _FOLDS
        distances = np.empty(len(labels), np.float32)
        # The fewer images there are for each dimension, the less is believed about directions;
        # alike for all, or distances would have another scale.
        trust = len(labels) / descriptors.shape[1]
        for number in range(_FOLDS):
            own = fold == number
            others = _measured(descriptors[~own], labels[~own], classes, trust)
            distances[own] = others._distances(descriptors[own])
        rank = math.ceil((1 - FALSE_ALARMS) * (len(labels) + 1) - 1e-9)
        if rank > len(labels):
            raise ValueError(f"{len(labels)} images say too little about what is unlike them")
        # Images that are all the same would give 0.
        threshold = max(float(np.sort(distances)[rank - 1]), 1e-6)
        found = _measured(descriptors, labels, classes, trust)
        return cls(found.centre, found.whitening, found.means, len(labels), threshold)

    def scores(self, features: F32) -> F32:
        """Of features (N, F): above 1 for unknown images, (N,)."""
        distances = self._distances(descriptors_of(features))
        return np.divide(distances, self.threshold, dtype=np.float32)

    def _distances(self, descriptors: F32) -> F32:
        """Of descriptors (N, D) from the nearest class, (N,)."""
        found = np.empty(len(descriptors), np.float32)
        means = np.ascontiguousarray(self.means.T)
        lengths = _squared_lengths(self.means)[:, 0]
        size = max(1, (1 << 22) // len(self.means))
        for start in range(0, len(descriptors), size):
            rows = descriptors[start : start + size] - self.centre
            rows = kernels.matmul(rows, self.whitening)
            squared = _squared_lengths(rows) + (lengths - 2 * kernels.matmul(rows, means))
            found[start : start + size] = np.sqrt(np.maximum(squared.min(axis=1), 0))
        return found

    # -- in the model file

    def tensors(self) -> dict[str, F32]:
        """What is stored beside the weights."""
        return {_CENTRE: self.centre, _WHITENING: self.whitening, _MEANS: self.means}

    def to_dict(self) -> dict[str, Any]:
        """What the description says."""
        return {
            "images": self.images,
            "false_alarms": self.false_alarms,
            "threshold": self.threshold,
        }

    @classmethod
    def taken(
        cls,
        record: Mapping[str, Any] | None,
        tensors: dict[str, NDArray[Any]],
        features: int,
        classes: int,
    ) -> Novelty | None:
        """Of the description and the tensors of a file, out of which it is taken; None where there
        is none. `features` is how many stand before the last layer, 0: it has none such.

        Raises
        ------
        ValueError, TypeError, KeyError
            It is not what it should be.
        """
        if record is None:
            return None
        known = checked_record(record)
        size = min(features, DIMENSIONS)
        shapes = {_CENTRE: (size,), _WHITENING: (size, size), _MEANS: (classes, size)}
        found: list[F32] = []
        for name, shape in shapes.items():
            tensor = tensors.pop(name)
            if tensor.dtype != np.float32 or tensor.shape != shape:
                raise ValueError(f"{name} is {tensor.dtype} {tensor.shape}, not float32 {shape}")
            if not np.isfinite(tensor).all():
                raise ValueError(f"{name} holds NaN or infinity")
            found.append(tensor)
        centre, whitening, means = found
        return cls(
            centre,
            whitening,
            means,
            known["images"],
            known["threshold"],
            known["false_alarms"],
        )


def checked_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `Novelty.to_dict` gave; ValueError, TypeError or KeyError where it did not."""
    return {
        "images": check_int("images", record["images"], 1),
        "false_alarms": check_number("false_alarms", record["false_alarms"], above=0, below=1),
        "threshold": check_number("threshold", record["threshold"], above=0),
    }


def descriptors_of(features: F32) -> F32:
    """Features (N, F) in at most `DIMENSIONS` dimensions, their length its own square root."""
    rows = np.ascontiguousarray(features)
    if rows.shape[1] > DIMENSIONS:
        rows = kernels.matmul(rows, _signs(rows.shape[1]))
    # So that the squares of large ones are finite.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = np.divide(rows, np.where(largest > 0, largest, 1), dtype=np.float32)
    lengths = np.sqrt(_squared_lengths(rows))
    factors = np.sqrt(largest / np.where(lengths > 0, lengths, 1))
    result: F32 = np.multiply(rows, factors, dtype=np.float32)
    return result


def _measured(descriptors: F32, labels: Labels, classes: int, trust: float) -> Novelty:
    """Without a threshold, of descriptors (N, D), some of each class; the mean variance of a
    dimension, divided by `trust`, is added to each."""
    count, size = descriptors.shape
    centre = (descriptors.sum(axis=0, dtype=np.float64) / count).astype(np.float32)
    rows = descriptors - centre
    means = np.empty((classes, size), np.float32)
    for number in range(classes):
        own = labels == number
        means[number] = rows[own].sum(axis=0, dtype=np.float64) / own.sum()
    rest = rows - means[labels]
    covariance = kernels.matmul(rest.T, rest).astype(np.float64) / count
    spread = max(float(covariance.trace()) / size, 1e-12) / trust
    covariance[np.arange(size), np.arange(size)] += spread
    whitening = _inverse_root(covariance).astype(np.float32)
    return Novelty(centre, whitening, kernels.matmul(means, whitening), count)


def _inverse_root(matrix: F64) -> F64:
    """W with W W^T the inverse of a positive definite matrix, by Cholesky's decomposition.

    By row operations, which are the same bits everywhere, as those of a library are not.
    """
    rest, size = matrix.copy(), len(matrix)
    inverse = np.eye(size)
    for i in range(size):
        root = math.sqrt(rest[i, i])
        column = rest[i + 1 :, i : i + 1] / root
        inverse[i] /= root
        inverse[i + 1 :] -= column * inverse[i]
        rest[i + 1 :, i + 1 :] -= column * column.T
    return np.ascontiguousarray(inverse.T)


def _squared_lengths(rows: F32) -> F32:
    """(N, D) to (N, 1)."""
    return kernels.matmul(rows * rows, np.ones((rows.shape[1], 1), np.float32))


@functools.lru_cache(maxsize=2)
def _signs(features: int) -> F32:
    """A matrix (F, D) of 1 and -1, drawn once and for all."""
    drawn = hashlib.shake_128(b"nncore projection").digest(features * DIMENSIONS // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(features, DIMENSIONS)
    return bits.astype(np.float32) * 2 - 1
