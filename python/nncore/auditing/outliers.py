"""Pictures that are like no others: far from all, as a network sees them.

The distance to the nearest neighbours among features, as of Sun, Ming, Zhu and Li,
"Out-of-Distribution Detection with Deep Nearest Neighbors" (ICML 2022), against that of these
neighbours, as of Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers"
(SIGMOD 2000): some classes are more varied than others. N images, R references, F features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncore.kernels import matmul

F32 = NDArray[np.float32]

NEIGHBOURS = 10
MOST_REFERENCES = 4096
"""So many pictures are looked at for neighbours; with more, time would grow with the square."""
_BLOCK = 1024
_TWICE = 2.0
_USUAL = 0.75  # of the distances of the references


def unlikeness(rows: F32, references: F32) -> F32:
    """How far each of `rows` (N, F) is from its nearest `references` (R, F), against how far these
    are from theirs: float32 (N,).

    Each feature is divided by its deviation among the references. The distance is the root of the
    mean square of those to the ten nearest ones. That of a row is divided by the mean of those of
    its ten nearest: 2 is twice as far as is usual there. 1 where that is 0.
    """
    some = references[_spread(len(references))]
    if len(rows) == 0 or len(some) < 2:
        return np.ones(len(rows), np.float32)
    scale = _scale(some)
    near = some * scale
    usual, _ = _nearest(near, near, itself=True)
    # A neighbour that is far from all itself does not make that usual.
    usual = np.minimum(usual, np.quantile(usual, _USUAL).astype(np.float32))
    far, who = _nearest(rows * scale, near)
    there = usual[who].mean(axis=1)
    result: F32 = np.where(there > 0, far / np.where(there > 0, there, 1), 1).astype(np.float32)
    return result


def _nearest(rows: F32, near: F32, itself: bool = False) -> tuple[F32, NDArray[np.int64]]:
    """Distance of each row from its nearest of `near`, (N,), and which these are, (N, 10).

    `itself`: the rows are those of `near`, and none is a neighbour of itself.
    """
    kept = min(NEIGHBOURS, len(near) - itself)
    lengths = np.square(near).sum(axis=1)
    far, who = np.empty(len(rows), np.float32), np.empty((len(rows), kept), np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = np.ascontiguousarray(rows[start : start + _BLOCK])
        # |a - b|^2 = |a|^2 - 2 ab + |b|^2: one matrix product.
        squares = np.square(block).sum(axis=1)[:, np.newaxis] - 2 * matmul(block, near.T) + lengths
        if itself:
            places = np.arange(len(block))
            squares[places, start + places] = np.inf
        nearest = np.argpartition(squares, kept - 1, axis=1)[:, :kept]
        # Sorted, so that sums do not depend on how the partition went.
        nearest.sort(axis=1)
        found = np.maximum(np.take_along_axis(squares, nearest, axis=1), 0)
        far[start : start + _BLOCK] = np.sqrt(found.mean(axis=1))
        who[start : start + _BLOCK] = nearest
    return far, who


def far_out(unlike: F32) -> float:
    """From which value on one is an outlier: three quartile distances above the upper quartile, the
    outer fence of Tukey (1977), of the logarithms; and no less than twice as far as usual."""
    low, high = np.quantile(np.log(np.maximum(unlike, 1e-6)), (0.25, 0.75))
    return max(_TWICE, float(np.exp(high + 3 * (high - low))))


def _spread(count: int) -> NDArray[np.int64]:
    """At most `MOST_REFERENCES` places, spread evenly."""
    chosen = min(count, MOST_REFERENCES)
    return np.arange(chosen) * count // chosen


def _scale(rows: F32) -> F32:
    """One over the deviation of each feature; 0 for one that never varies."""
    deviations = rows.std(axis=0, dtype=np.float64)
    fixed = deviations <= 1e-6 * np.abs(rows).max(axis=0)
    result: F32 = np.where(fixed, 0, 1 / np.where(fixed, 1, deviations)).astype(np.float32)
    return result
