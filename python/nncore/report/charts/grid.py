"""A confusion matrix as a table whose cells are shaded; with many classes, the most confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncore.plots._most_confused import matrix_of, most_confused

MOST_CLASSES = 30
SHADES = 10  # that the styles have
_PAIRS = 12


@dataclass(frozen=True)
class Cell:
    """Images, and how dark the cell is: 0 to `SHADES` - 1."""

    images: int
    shade: int


@dataclass(frozen=True)
class GridRow:
    """A true class with a cell for each shown predicted one; `elsewhere` were given classes that
    are not shown."""

    name: str
    cells: tuple[Cell, ...]
    elsewhere: int
    images: int


@dataclass(frozen=True)
class Pair:
    """Images of one class that were given another, and their share of the true class."""

    true: str
    predicted: str
    images: int
    share: float


@dataclass(frozen=True)
class Grid:
    """What `charts.html` draws of a confusion matrix; `left_out` counts classes without a row."""

    rows: tuple[GridRow, ...]
    left_out: int
    pairs: tuple[Pair, ...]
    more_pairs: int


def confusion_grid(triples: NDArray[np.int64], classes: Sequence[str]) -> Grid:
    """The matrix, or of more than 30 classes those that were most often confused.

    Parameters
    ----------
    triples
        (M, 3): true class, predicted class, images, as `Report.confusion_triples`. Nothing of size
        classes x classes is made.
    """
    wrong = triples[triples[:, 0] != triples[:, 1]]
    wrong = wrong[np.argsort(-wrong[:, 2], kind="stable")]
    supports = np.bincount(triples[:, 0], weights=triples[:, 2], minlength=len(classes))
    chosen = most_confused(triples, len(classes), MOST_CLASSES)
    counts = matrix_of(triples, chosen)
    rows = []
    for at, label in enumerate(chosen):
        total = int(supports[label])
        cells = tuple(Cell(images, _shade(images, total)) for images in counts[at].tolist())
        rows.append(GridRow(classes[label], cells, total - int(counts[at].sum()), total))
    pairs = tuple(
        Pair(classes[true], classes[predicted], images, images / float(supports[true]))
        for true, predicted, images in wrong[:_PAIRS].tolist()
    )
    return Grid(tuple(rows), len(classes) - len(chosen), pairs, len(wrong) - len(pairs))


def _shade(images: int, total: int) -> int:
    """By the square root of the share: it spreads the small ones, which are the mistakes."""
    if images == 0:
        return 0
    return max(1, min(SHADES - 1, round(float(np.sqrt(images / total)) * (SHADES - 1))))
