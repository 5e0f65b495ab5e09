"""How far probabilities can be relied on: of all answers given with 80 %, are 80 % right?

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # as in the paper


@dataclass(frozen=True)
class Reliability:
    """Answers by their probability, in `BINS` bins of equal width from 0 to 1.

    Attributes
    ----------
    images : tuple of int
        In each bin.
    probability, accuracy : tuple of float or None
        Mean probability of the answers in it, and how often they are right; None in an empty one.
    error : float
        Expected calibration error: the mean difference between the two, weighted by the images.
    """

    images: tuple[int, ...]
    probability: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    error: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "error": self.error,
            "images": list(self.images),
            "probability": list(self.probability),
            "accuracy": list(self.accuracy),
        }


def reliability(sure: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> Reliability:
    """Of N answers: what they were given, 0 to 1, and whether they are right."""
    given = np.clip(sure.astype(np.float64), 0.0, 1.0)
    bins = np.minimum((given * BINS).astype(np.int64), BINS - 1)
    images = np.bincount(bins, minlength=BINS)
    hits = np.bincount(bins, weights=right, minlength=BINS)
    sums = np.bincount(bins, weights=given, minlength=BINS)
    gaps = np.bincount(bins, weights=right - given, minlength=BINS)
    return Reliability(
        tuple(images.tolist()),
        _means(sums, images),
        _means(hits, images),
        float(np.abs(gaps).sum() / max(len(given), 1)),
    )


def _means(sums: NDArray[Any], images: NDArray[np.intp]) -> tuple[float | None, ...]:
    pairs = zip(sums.tolist(), images.tolist(), strict=True)
    return tuple(total / count if count else None for total, count in pairs)
