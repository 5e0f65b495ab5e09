"""The confusion matrix as a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.plots._figure import (
    DPI,
    checked_format,
    house_style,
    new_figure,
    save,
    shown,
    width_in_pixels,
)
from nncore.plots._most_confused import matrix_of, most_confused

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Beyond these sizes numbers in the cells, and then a name at every row, cannot be read.
_NUMBERS_UP_TO = 25
_NAMES_UP_TO = 60
_NAME_LENGTH = 20
# With more classes a picture has no room for all: it shows those that are most often confused.
_CLASSES_UP_TO = 100
_MOST_CONFUSED = 60


class Confusion(Protocol):
    """A confusion matrix with the names of its classes, as `nncore.Report` holds them."""

    @property
    def confusion_triples(self) -> NDArray[np.int64]:
        """(M, 3): true class, predicted class, number of images."""

    @property
    def classes(self) -> Sequence[str]:
        """K names."""


def confusion_matrix(
    report_or_matrix: Confusion | ArrayLike,
    classes: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Which class was taken for which: counts in the cells, colour by share of the true class.

    Up to 25 classes the counts stand in the cells (zeros are left out from 13 on); with more the
    colours must do. A grey row is a class without images. Of more than 100 classes the 60 are drawn
    that are most often confused; shares are of all images of the true class.

    Parameters
    ----------
    report_or_matrix : Report or integer (K, K)
        Rows are the true class, columns the predicted one.
    classes : sequence of K str, optional
        Names; needed with a matrix, taken from the report otherwise.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Raises
    ------
    TypeError
        The matrix is not of integers, or it comes without `classes`.
    ValueError
        It is empty, not square, negative somewhere, or not as large as `classes` is long; or the
        extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    triples, names = _checked(report_or_matrix, classes)
    checked_format(path)
    true, predicted, counts = triples.T
    images, correct = int(counts.sum()), int(counts[true == predicted].sum())
    every = len(names)
    chosen = most_confused(triples, every, every if every <= _CLASSES_UP_TO else _MOST_CONFUSED)
    matrix, names = matrix_of(triples, chosen), tuple(names[label] for label in chosen)
    k = len(names)

    with house_style(names):
        from matplotlib import colormaps
        from matplotlib.colors import PowerNorm

        cell = _cell_inches(k, matrix)
        labels = _labels(names)
        room_for_names = 0.085 * max(len(label) for label in labels) + 0.8
        side = cell * k
        figure = new_figure(
            side + room_for_names + 1.4, side + room_for_names + 0.6, fixed_aspect=True
        )
        axes = figure.subplots()
        of_all = np.bincount(true, weights=counts, minlength=every)
        totals = of_all[chosen][:, np.newaxis]
        share = np.full(matrix.shape, np.nan)
        np.divide(100.0 * matrix, totals, out=share, where=totals > 0)

        # The square root spreads the small shares, which are the mistakes one looks for.
        picture = axes.imshow(
            share,
            cmap=colormaps["Blues"].with_extremes(bad="#DDDDDD"),
            norm=PowerNorm(0.5, vmin=0, vmax=100),
            aspect="equal",
            interpolation="nearest",
        )
        axes.grid(False)
        bar = figure.colorbar(picture, ax=axes, fraction=0.05, pad=0.02, aspect=30)
        bar.set_ticks([0, 1, 5, 10, 20, 40, 60, 80, 100])
        bar.set_label("share of the true class (%)")
        _name_axes(axes, labels, cell)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        accuracy = f", accuracy {correct / images:.2%}" if images else ""
        plural = "image" if images == 1 else "images"
        some = "" if k == every else f"\nthe {k} most often confused of {every:,} classes"
        axes.set_title(f"Confusion matrix: {images:,} {plural}{accuracy}{some}")
        if k <= _NUMBERS_UP_TO:
            _write_counts(axes, matrix, share, cell)
        save(figure, path)
    return figure


def _checked(
    report_or_matrix: Confusion | ArrayLike, classes: Sequence[str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Triples (M, 3) of true class, predicted class and images; and the K names."""
    given: Any = report_or_matrix
    names = getattr(given, "classes", None) if classes is None else classes
    if names is None:
        raise TypeError("classes is missing: a bare matrix needs the names of its classes")
    if isinstance(names, str):
        raise TypeError(f"classes must be a sequence of names, got the single str {names!r}")
    triples = getattr(given, "confusion_triples", None)
    if triples is not None:
        return _checked_triples(np.asarray(triples), len(names)), tuple(map(str, names))
    matrix = np.asarray(getattr(given, "confusion", given))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"a confusion matrix has shape (K, K) with K > 0, got {matrix.shape}")
    if not np.issubdtype(matrix.dtype, np.integer):
        raise TypeError(f"a confusion matrix holds integer counts, got {matrix.dtype}")
    if (matrix < 0).any():
        raise ValueError(f"a confusion matrix holds counts, got the negative {matrix.min()}")
    if len(names) != len(matrix):
        raise ValueError(f"classes has {len(names)} names for a matrix of shape {matrix.shape}")
    places = np.argwhere(matrix)
    triples = np.column_stack([places, matrix[tuple(places.T)]]).astype(np.int64)
    return triples, tuple(map(str, names))


def _checked_triples(triples: NDArray[Any], k: int) -> NDArray[np.int64]:
    if triples.size == 0:
        return np.zeros((0, 3), np.int64)
    if triples.ndim != 2 or triples.shape[1] != 3 or triples.dtype.kind not in "iu":
        raise ValueError(
            f"confusion_triples are integers (M, 3), got {triples.dtype} {triples.shape}"
        )
    if (triples < 0).any() or (triples[:, :2] >= k).any():
        raise ValueError(f"confusion_triples hold classes 0 to {k - 1} and counts, none negative")
    return triples.astype(np.int64)


def _labels(names: Sequence[str]) -> list[str]:
    labels = [shown(name, _NAME_LENGTH) for name in names]
    if len(set(labels)) < len(labels):
        # Shortened names that became equal are told apart by their number.
        labels = [f"{number}: {label}" for number, label in enumerate(labels)]
    return labels


def _cell_inches(k: int, matrix: NDArray[np.int64]) -> float:
    """Large enough for the longest count, small enough for the whole to fit on a page."""
    if k > _NUMBERS_UP_TO:
        return max(9.0 / k, 0.02)
    digits = len(f"{int(matrix.max()):,}")
    wanted = max(0.085 * digits + 0.12, 0.42)
    return min(max(wanted, 4.0 / k), max(13.0 / k, 0.42))


def _name_axes(axes: Axes, labels: Sequence[str], cell: float) -> None:
    k = len(labels)
    step = math.ceil(k / _NAMES_UP_TO)
    places = list(range(0, k, step))
    size = min(10.0, max(5.0, 0.75 * 72 * cell * step))
    chosen = [labels[place] for place in places]
    axes.set_yticks(places, chosen, fontsize=size)
    axes.set_xticks(places, chosen, fontsize=size)
    # On their side unless every name fits under its own column; the layout takes some of `cell`.
    widest = max(width_in_pixels(label) for label in axes.get_xticklabels())
    if widest > 0.85 * cell * step * DPI:
        axes.set_xticks(places, chosen, fontsize=size, rotation=90)
    axes.tick_params(length=0)


def _write_counts(
    axes: Axes, matrix: NDArray[np.int64], share: NDArray[np.float64], cell: float
) -> None:
    longest = len(f"{int(matrix.max()):,}")
    size = min(11.0, 72 * 0.85 * cell / (0.62 * longest))
    zeros = len(matrix) <= 12
    for (row, column), count in np.ndenumerate(matrix):
        if count or zeros:
            dark = share[row, column] > 30
            color = "white" if dark else "black" if count else "#999999"
            axes.text(
                column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=size
            )
