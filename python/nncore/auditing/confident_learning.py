"""Which labels are wrong, by what networks say of images that they have not learned from.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR
2021). A network is surer of some classes than of others, so each class has a threshold of its own:
how probable it is on average where an image is labelled with it. An image counts for the class that
reaches its threshold, the most probable one if several do; where that is not its label, the label
is taken for wrong. All images are ranked by the probability of their label.

N images, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncore.auditing.held_out import HeldOut


@dataclass(frozen=True)
class ConfidentLabels:
    """What confident learning finds.

    Attributes
    ----------
    thresholds : float64 (K,)
        Mean probability of each class over the images that are labelled with it; 1 where there is
        none to judge.
    confident : int32 (N,)
        The class that each image counts for; -1 where none reaches its threshold.
    wrong : bool (N,)
        Whether that is another class than the label.
    errors : int
        How many labels are estimated to be wrong: in each class the part of its confident images
        that count for others, of all its images.
    pairs : list of (int, int, int)
        The confident joint beside its diagonal: label, class, images; the most frequent first.
        Pairs without images are left out: of 5,000 classes there are 25 million.
    """

    thresholds: NDArray[np.float64]
    confident: NDArray[np.int32]
    wrong: NDArray[np.bool_]
    errors: int
    pairs: list[tuple[int, int, int]]


def confident_labels(held_out: HeldOut, classes: int) -> ConfidentLabels:
    """Confident learning on probabilities out of sample."""
    labels, judged = held_out.labels, held_out.judged
    thresholds = _thresholds(held_out, classes)
    reach = held_out.probabilities >= thresholds[held_out.classes]
    # The classes of an image are sorted: the first that reaches its threshold is the most probable.
    first = reach.argmax(axis=1)
    confident = held_out.classes[np.arange(len(labels)), first]
    confident = np.where(reach.any(axis=1) & judged, confident, -1).astype(np.int32)
    wrong = (confident >= 0) & (confident != labels)
    counted = np.bincount(labels[confident >= 0], minlength=classes)
    off = np.bincount(labels[wrong], minlength=classes)
    images = np.bincount(labels[judged], minlength=classes)
    share = off / np.maximum(counted, 1)
    return ConfidentLabels(
        thresholds,
        confident,
        wrong,
        round(math.fsum((images * share).tolist())),
        _pairs(labels[wrong], confident[wrong]),
    )


def _thresholds(held_out: HeldOut, classes: int) -> NDArray[np.float64]:
    labels, own = held_out.labels[held_out.judged], held_out.own[held_out.judged]
    sums = np.bincount(labels, weights=own.astype(np.float64), minlength=classes)
    counts = np.bincount(labels, minlength=classes)
    result: NDArray[np.float64] = np.where(counts, sums / np.maximum(counts, 1), 1.0)
    return result


def _pairs(labels: NDArray[np.int32], confident: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    pairs, counts = np.unique(np.stack([labels, confident], axis=1), axis=0, return_counts=True)
    found = [(*pair, count) for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)]
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))
