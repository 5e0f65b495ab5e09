"""Plot of a search for a learning rate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.plots._figure import (
    BLUE,
    GREEN,
    SKY,
    checked_format,
    house_style,
    legend_below,
    new_figure,
    save,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class RateSearch(Protocol):
    """The numbers of a search that are drawn, one per step, as `nncore.lr_find` returns them."""

    @property
    def rates(self) -> NDArray[np.float64]: ...

    @property
    def losses(self) -> NDArray[np.float64]: ...

    @property
    def smoothed(self) -> NDArray[np.float64]:
        """The losses without their noise."""

    @property
    def suggestion(self) -> float:
        """The learning rate to take."""


def learning_rates(found: RateSearch, path: str | os.PathLike[str] | None = None) -> Figure:
    """Loss over learning rate on a logarithmic axis, the suggestion marked.

    Parameters
    ----------
    found : LearningRates
        What `nncore.lr_find` returned.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Raises
    ------
    TypeError
        `found` is something else.
    ValueError
        The extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    if not hasattr(found, "smoothed") or not hasattr(found, "suggestion"):
        raise TypeError(f"found must be what lr_find returned, got {type(found).__name__}")
    checked_format(path)
    with house_style():
        figure = new_figure(8.0, 4.6)
        axes = figure.subplots()
        axes.plot(found.rates, found.losses, color=SKY, linewidth=0.8, label="each batch")
        axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=2, label="moving average")
        value = float(np.interp(found.suggestion, found.rates, found.smoothed))
        axes.axvline(found.suggestion, color=GREEN, linewidth=1.2, linestyle=":", zorder=1)
        axes.plot(
            [found.suggestion],
            [value],
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=GREEN,
            markeredgewidth=2,
            zorder=5,
            label=f"suggestion: {found.suggestion:.2g} (steepest)",
        )
        axes.set_xscale("log")
        # The failure at the end would press the rest flat.
        low, high = float(found.smoothed.min()), float(found.smoothed[0])
        margin = 0.3 * max(high - low, 1e-3 * abs(high), 1e-12)
        axes.set_ylim(low - margin, max(high, value) + 2 * margin)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss of the batch")
        axes.set_title("Loss while the learning rate grows")
        legend_below(axes)
        save(figure, path)
    return figure
