"""Pictures with their right class and what a model answered, in a grid."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.data.mapped import Pixels
from nncore.plots._figure import (
    DPI,
    GREY,
    checked_format,
    draw_picture,
    house_style,
    new_figure,
    save,
    shown,
    width_in_pixels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_COLUMNS = 5
# Width of a picture in inches.
_TILE = 2.4
_LONGEST_NAME = 40


class Answer(Protocol):
    """What is drawn of an image, as `nncore.Report` names it of one in the wrong class."""

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


def answers(
    images: Sequence[NDArray[np.uint8]],
    answers: Sequence[Answer],
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Pictures with their right class and the answered one, and how many are right.

    Parameters
    ----------
    images : uint8 (N, H, W, 1) or (N, H, W, 3), or a sequence of such pictures
        At least one.
    answers : sequence of Answer
        One for each that is drawn; `index` points into `images`.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Raises
    ------
    ValueError
        There are none, or the extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    if not answers:
        raise ValueError("there are no answers to draw")
    checked_format(path)
    right = sum(one.true == one.predicted for one in answers)
    with house_style(words_of(answers)):
        figure = draw_grid(images, answers, f"{right} of {len(answers)} are right")
        save(figure, path)
    return figure


def words_of(answers: Sequence[Answer]) -> list[str]:
    """All words in the pictures that are the user's."""
    return [word for one in answers for word in (one.true, one.predicted, one.path or "")]


def draw_grid(
    images: Pixels | Sequence[NDArray[np.uint8]], answers: Sequence[Answer], title: str
) -> Figure:
    """One picture per answer; within `house_style`."""
    columns = min(len(answers), _COLUMNS)
    rows = math.ceil(len(answers) / columns)
    height, width = images[answers[0].index].shape[:2]
    tile = min(max(_TILE * height / width, 0.5), 2 * _TILE)
    figure = new_figure(max((_TILE + 0.2) * columns, 4.4), (tile + 0.8) * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, answer in zip(grid, answers, strict=False):
        _draw_one(axes, images[answer.index], answer)
    figure.suptitle(f"{title}\n(in brackets: the probability given by the model)", fontsize=10)
    return figure


def _draw_one(axes: Axes, picture: NDArray[np.uint8], answer: Answer) -> None:
    draw_picture(axes, picture)
    _fit(
        axes.set_title("", fontsize=8, loc="left"),
        lambda most: (
            f"true: {shown(answer.true, most)} ({answer.true_probability:.1%})\n"
            f"predicted: {shown(answer.predicted, most)} ({answer.probability:.1%})"
        ),
    )
    where = f"image {answer.index}" if answer.path is None else os.path.basename(answer.path)
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
