"""Training samples as a set with weights: what scikit-learn means by `sample_weight`.

N samples, M of them distinct. A weight of 2 is to be the same as giving the sample twice, and 0 the
same as leaving it out, to the last bit. So samples that are alike become one, with the sum of their
weights, and they are put into an order that depends on their content alone: the order in which they
are given has no say either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from nncore.data.digests import pixel_digest


@dataclass(frozen=True)
class Samples:
    """Images (N, ...), class numbers int (N,) and weights float64 (N,), or None where all are 1."""

    images: NDArray[Any]
    labels: NDArray[np.intp]
    weights: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, positions: NDArray[np.intp]) -> Samples:
        """Those at these positions, in this order."""
        weights = None if self.weights is None else self.weights[positions]
        return Samples(self.images[positions], self.labels[positions], weights)

    def distinct(self) -> Samples:
        """Each once, in an order that depends on their content alone."""
        keys = [
            int(label).to_bytes(8, "big") + pixel_digest(np.ascontiguousarray(image))
            for label, image in zip(self.labels, self.images, strict=True)
        ]
        _, first, group = np.unique(np.array(keys), return_index=True, return_inverse=True)
        weights = np.bincount(group, weights=self.weights, minlength=len(first))
        if self.weights is None and len(first) == len(self):
            return self.chosen(first)
        return Samples(self.images[first], self.labels[first], weights.astype(np.float64))

    def parts(self, fraction: float, seed: int) -> tuple[Samples, Samples]:
        """Training and validation, which gets this fraction of each class; errors as of
        `train_test_split`."""
        train, validation = train_test_split(
            np.arange(len(self)), test_size=fraction, random_state=seed, stratify=self.labels
        )
        return self.chosen(train), self.chosen(validation)

    def fit_weights(self) -> NDArray[np.float64] | None:
        """`sample_weight` for `Sequential.fit`: with a mean of 1, so that learning rates mean what
        they mean without weights; None where all are alike."""
        if self.weights is None or (self.weights == self.weights[0]).all():
            return None
        mean: NDArray[np.float64] = self.weights * (len(self) / self.weights.sum())
        return mean


def weighted(
    images: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> Samples:
    """Samples without those whose weight is 0.

    Raises
    ------
    ValueError
        No weight is above 0, or one is below.
    """
    samples = Samples(images, labels, weights)
    if weights is None:
        return samples
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative, but holds {weights.min():g}")
    if not weights.any():
        raise ValueError("sample_weight is zero for every sample: there is nothing to learn from")
    return samples.chosen(np.flatnonzero(weights)) if not weights.all() else samples
