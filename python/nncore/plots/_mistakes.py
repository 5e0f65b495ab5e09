"""A grid of the images that the model got wrong."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.data.mapped import MappedImages, Pixels
from nncore.plots._figure import (
    DPI,
    GREY,
    checked_format,
    house_style,
    new_figure,
    save,
    say,
    shown,
    width_in_pixels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_MOST = 30
_COLUMNS = 5
# Width of a picture in inches.
_TILE = 2.4
_LONGEST_NAME = 40


class Mistake(Protocol):
    """What is drawn of an image in the wrong class, as `nncore.Report` names it."""

    @property
    def index(self) -> int:
        """Of the image among those evaluated."""

    @property
    def path(self) -> str | None: ...

    @property
    def true(self) -> str:
        """Name of the right class."""

    @property
    def predicted(self) -> str:
        """Name of the class that the model answered."""

    @property
    def probability(self) -> float:
        """What the model gave to the predicted class."""

    @property
    def true_probability(self) -> float:
        """What it gave to the right one."""


class Mistakes(Protocol):
    """Several of them, the worst first."""

    @property
    def worst(self) -> Sequence[Mistake]: ...


def mistakes(
    images: Pixels,
    mistakes: Mistakes | Sequence[Mistake],
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """The worst mistakes as pictures, each with the right and the given class.

    Parameters
    ----------
    images : uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3)
        The evaluated images, all of them and in their order: `Mistake.index` points into them.
    mistakes : Report or sequence of Mistake
        Such as ``report.worst``; the first 30 are drawn.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Raises
    ------
    TypeError
        `images` are not uint8.
    ValueError
        They have another shape, a mistake's index lies outside them, or the extension of `path`
        is unknown.
    OSError
        `path` cannot be written.
    """
    # Those in a memory map stay there: few of them are shown.
    pictures = images if isinstance(images, MappedImages) else np.asarray(images)
    if pictures.dtype != np.uint8:
        raise TypeError(f"images must be uint8, got {pictures.dtype}")
    if not isinstance(pictures, MappedImages) and pictures.ndim == 3:
        pictures = pictures[..., np.newaxis]
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3):
        raise ValueError(
            f"images must have shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"got {np.shape(images)}"
        )
    given: Any = getattr(mistakes, "worst", mistakes)
    found: list[Mistake] = list(given)
    for mistake in found:
        if not 0 <= mistake.index < len(pictures):
            raise ValueError(
                f"a mistake has index {mistake.index}, but there are {len(pictures)} images; "
                f"give all the evaluated images in their order"
            )
    checked_format(path)

    with house_style(_names(found[:_MOST])):
        figure = _draw_grid(pictures, found) if found else _draw_none(len(pictures))
        save(figure, path)
    return figure


def _names(found: Sequence[Mistake]) -> list[str]:
    """All words in the pictures that are the user's."""
    return [word for one in found for word in (one.true, one.predicted, one.path or "")]


def _draw_none(images: int) -> Figure:
    figure = new_figure(5.0, 2.4)
    axes = figure.subplots()
    axes.axis("off")
    say(axes, f"No mistakes to show\n({images:,} images)", size=13)
    return figure


def _draw_grid(pictures: Pixels, found: Sequence[Mistake]) -> Figure:
    drawn = found[:_MOST]
    columns = min(len(drawn), _COLUMNS)
    rows = math.ceil(len(drawn) / columns)
    height, width = pictures.shape[1:3]
    tile = min(max(_TILE * height / width, 0.5), 2 * _TILE)
    figure = new_figure(max((_TILE + 0.2) * columns, 4.4), (tile + 0.8) * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, mistake in zip(grid, drawn, strict=False):
        _draw_one(axes, pictures[mistake.index], mistake)
    if len(drawn) < len(found):
        title = f"The {len(drawn)} most confident of {len(found):,} mistakes"
    else:
        title = "The most confident mistakes" if len(drawn) > 1 else "The most confident mistake"
    figure.suptitle(f"{title}\n(in brackets: the probability given by the model)", fontsize=10)
    return figure


def _draw_one(axes: Axes, picture: NDArray[np.uint8], mistake: Mistake) -> None:
    gray = picture.shape[2] == 1
    axes.imshow(
        picture[..., 0] if gray else picture,
        cmap="gray" if gray else None,
        vmin=0,
        vmax=255,
        interpolation="nearest",
    )
    _fit(
        axes.set_title("", fontsize=8, loc="left"),
        lambda most: (
            f"true: {shown(mistake.true, most)} ({mistake.true_probability:.1%})\n"
            f"predicted: {shown(mistake.predicted, most)} ({mistake.probability:.1%})"
        ),
    )
    where = f"image {mistake.index}" if mistake.path is None else os.path.basename(mistake.path)
    below = axes.text(
        0.0, -0.03, "", transform=axes.transAxes, ha="left", va="top", fontsize=7, color=GREY
    )
    _fit(below, lambda most: shown(where, most))


def _fit(text: Text, wording: Callable[[int], str]) -> None:
    """Fill in `wording` with names as long as the width of a tile lets them be."""
    for most in range(_LONGEST_NAME, 3, -1):
        text.set_text(wording(most))
        if width_in_pixels(text) <= _TILE * DPI:
            break
