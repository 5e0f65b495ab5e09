"""Numbers that tell how good predictions are. N images, K classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nncore.arguments import check_int


def top_k_accuracy(labels: ArrayLike, probabilities: ArrayLike, k: int = 5) -> float:
    """The part of the images whose true class is among the k most probable ones.

    Of equal probabilities the class with the lower number counts as the more probable, as in
    `Sequential.predict`.

    Parameters
    ----------
    labels
        Class numbers, int (N,).
    probabilities
        Or any scores that grow with them, (N, K), as `Sequential.predict_proba` gives them.
    k
        1 to K; 1 is the accuracy.

    Raises
    ------
    ValueError, TypeError
        Shapes do not fit, a label is not a class, a score is NaN, or k is out of range.
    """
    scores, truth = np.asarray(probabilities), np.asarray(labels)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not len(truth):
        raise ValueError(
            f"labels (N,) and probabilities (N, K) of at least one image are needed, not "
            f"{truth.shape} and {scores.shape}"
        )
    if truth.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, not {truth.dtype}")
    classes = scores.shape[1]
    if truth.min() < 0 or truth.max() >= classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}")
    if np.isnan(scores).any():
        raise ValueError("probabilities hold NaN")
    k = check_int("k", k, 1, classes)
    own = scores[np.arange(len(truth)), truth][:, None]
    before = (scores > own) | ((scores == own) & (np.arange(classes) < truth[:, None]))
    return float((before.sum(axis=1) < k).mean())
