"""What networks say of images that they have not learned from.

N images, K classes, M classes that are kept of each image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

MOST_CLASSES = 32
"""So many classes are kept of each image, the most probable ones: of 5,000 classes and 100,000
images all probabilities would take 2 GB."""


@dataclass(frozen=True)
class HeldOut:
    """Probabilities out of sample: of each image by a network that was not trained on it.

    Attributes
    ----------
    labels : int32 (N,)
        The classes that the images are labelled with.
    own : float32 (N,)
        Probability of the image's label.
    classes : int32 (N, M)
        The most probable classes, the best first, M = min(K, 32).
    probabilities : float32 (N, M)
        Their probabilities.
    judged : bool (N,)
        Whether the network had seen images of the image's own class; else its word is worth
        nothing.
    """

    labels: NDArray[np.int32]
    own: F32
    classes: NDArray[np.int32]
    probabilities: F32
    judged: NDArray[np.bool_]

    @classmethod
    def empty(cls, labels: NDArray[np.int32], classes: int) -> HeldOut:
        """Room for the probabilities of images of so many classes, to be filled by `put`."""
        n, m = len(labels), min(classes, MOST_CLASSES)
        return cls(
            labels,
            np.zeros(n, np.float32),
            np.zeros((n, m), np.int32),
            np.zeros((n, m), np.float32),
            np.zeros(n, np.bool_),
        )

    @classmethod
    def of(cls, probabilities: F32, labels: NDArray[np.int32]) -> HeldOut:
        """Of all probabilities (N, K) at once."""
        found = cls.empty(labels, probabilities.shape[1])
        found.put(np.arange(len(labels)), probabilities)
        found.judged[:] = True
        return found

    def put(self, places: NDArray[np.int64], probabilities: F32) -> None:
        """The probabilities (n, K) of the images at `places`."""
        kept = self.classes.shape[1]
        # A stable sort of the negated values: equal ones stay in the order of the classes.
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :kept]
        self.classes[places] = best
        self.probabilities[places] = np.take_along_axis(probabilities, best, axis=1)
        self.own[places] = probabilities[np.arange(len(places)), self.labels[places]]

    @property
    def best_other(self) -> tuple[NDArray[np.int32], F32]:
        """Of each image the most probable class that is not its label, (N,), and its probability,
        (N,)."""
        first = (self.classes[:, 0] == self.labels).astype(np.int64)
        rows = np.arange(len(self.labels))
        return self.classes[rows, first], self.probabilities[rows, first]
