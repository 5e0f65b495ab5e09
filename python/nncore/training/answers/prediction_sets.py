"""Sets of classes that hold the true one as often as is asked: split conformal prediction.

Of images that the model has not learned from, the probability that it gives to the true class is
kept. Whatever the model is, the true class of one more image of the same kind has a probability
among the largest 95 of 100 of these in 95 of 100 cases; so the set of all classes with such a
probability holds it as often. Angelopoulos and Bates, "A Gentle Introduction to Conformal
Prediction and Distribution-Free Uncertainty Quantification" (2021), section 1; the score, one minus
the probability of the true class, is the one that gives the smallest sets on average (Sadinle, Lei
and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels", 2019).

N images, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int

F32 = NDArray[np.float32]

MOST_KEPT = 4096
"""Of more images than that some are taken: the sets get no better."""

_TENSOR = "calibration.true_probability"  # No slash: no parameter can be called so.


@dataclass(frozen=True, eq=False)
class TrueProbabilities:
    """What a model gave the true classes of images that it had not learned from.

    Attributes
    ----------
    descending : float32 (N,)
        The probabilities, the largest first.
    """

    descending: F32

    @classmethod
    def of(cls, probabilities: F32, labels: NDArray[np.integer]) -> TrueProbabilities:
        """Of probabilities (N, K) and the numbers (N,) of the true classes."""
        true = np.take_along_axis(probabilities, np.asarray(labels)[:, np.newaxis], axis=1)[:, 0]
        some = true[:: -(-len(true) // MOST_KEPT)]
        return cls(np.ascontiguousarray(np.sort(some)[::-1], np.float32))

    def __len__(self) -> int:
        return len(self.descending)

    @property
    def largest_coverage(self) -> float:
        """What these images can promise: N / (N + 1)."""
        return _largest_coverage(len(self))

    def threshold(self, coverage: float) -> float:
        """The least probability of a class in a set, so that sets hold the true class in at least
        the share `coverage` of all cases, above 0 and below 1.

        Raises
        ------
        ValueError
            There are too few images for so much.
        """
        rank = math.ceil(coverage * (len(self) + 1) - 1e-9)  # 0.95 * 100 must be 95, not 96
        if rank > len(self):
            needed = math.ceil(coverage / (1 - coverage) - 1e-9)
            raise ValueError(
                f"coverage {coverage:g} takes at least {needed:,} images to calibrate on, and this "
                f"model was calibrated on {len(self):,}: ask for at most "
                f"{math.floor(self.largest_coverage * 1e4) / 1e4:g}"
            )
        return float(self.descending[rank - 1])

    # -- in the model file

    def tensors(self) -> dict[str, F32]:
        """What is stored beside the weights."""
        return {_TENSOR: self.descending}

    @classmethod
    def taken(cls, tensors: dict[str, NDArray[Any]]) -> TrueProbabilities | None:
        """Of the tensors of a file, out of which it is taken; None where there is none.

        Raises
        ------
        ValueError
            It is not what it should be.
        """
        found = tensors.pop(_TENSOR, None)
        if found is None:
            return None
        good = found.dtype == np.float32 and found.ndim == 1 and 0 < len(found) <= MOST_KEPT
        if not good or not np.isfinite(found).all() or (np.diff(found) > 0).any():
            raise ValueError(f"{_TENSOR} is {found.dtype} {found.shape}, or not in order")
        return cls(found)


def largest_coverage_in(entries: Mapping[str, Any]) -> float | None:
    """What a model file can promise by its header, as safetensors has it; None: nothing.

    Raises
    ------
    ValueError, TypeError
        The header says of it what cannot be.
    """
    if _TENSOR not in entries:
        return None
    (images,) = entries[_TENSOR]["shape"]
    images = check_int(f"{_TENSOR}'s length", images, 1)
    if images > MOST_KEPT:
        raise ValueError(f"{_TENSOR} is {images:,} long, and no more than {MOST_KEPT:,} are kept")
    return _largest_coverage(images)


def _largest_coverage(images: int) -> float:
    return images / (images + 1)


def set_sizes(probabilities: F32, threshold: float) -> NDArray[np.int64]:
    """How many of the most probable classes (N, K) of each image are in its set, (N,).

    The best one always is, whatever the threshold: an empty set would tell nobody anything. So
    where a model is right more often than is asked, its sets of one class hold the true one more
    often, too.
    """
    result: NDArray[np.int64] = np.maximum((probabilities >= threshold).sum(axis=1), 1)
    return result
