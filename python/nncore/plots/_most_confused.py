"""Of many classes those that a chart has room for: the ones of the most frequent mistakes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def most_confused(triples: NDArray[np.int64], classes: int, most: int) -> list[int]:
    """Numbers of at most `most` classes, rising: all, or those of the most frequent mistakes.

    Parameters
    ----------
    triples
        (M, 3): true class, predicted class, images. Nothing of size classes x classes is made.
    """
    if classes <= most:
        return list(range(classes))
    wrong = triples[triples[:, 0] != triples[:, 1]]
    chosen: dict[int, None] = {}
    pairs = wrong[np.argsort(-wrong[:, 2], kind="stable"), :2]
    # Where mistakes are too few, the first classes fill the rest.
    for label in [*pairs[:most].ravel().tolist(), *range(most)]:
        if len(chosen) == most:
            break
        chosen[label] = None
    return sorted(chosen)


def matrix_of(triples: NDArray[np.int64], chosen: list[int]) -> NDArray[np.int64]:
    """Counts of these classes alone: rows true, columns predicted."""
    among = triples[np.isin(triples[:, 0], chosen) & np.isin(triples[:, 1], chosen)]
    matrix = np.zeros((len(chosen), len(chosen)), np.int64)
    places = np.searchsorted(chosen, among[:, :2])
    matrix[places[:, 0], places[:, 1]] = among[:, 2]
    return matrix
