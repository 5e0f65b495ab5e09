"""A grid of the images that the model got wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nncore.data.mapped import MappedImages, Pixels
from nncore.plots._answers import Answer, draw_grid, words_of
from nncore.plots._figure import (
    checked_format,
    house_style,
    new_figure,
    save,
    say,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 30


class Mistakes(Protocol):
    """Several of them, the worst first."""

    @property
    def worst(self) -> Sequence[Answer]: ...


def mistakes(
    images: Pixels,
    mistakes: Mistakes | Sequence[Answer],
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
    found: list[Answer] = list(given)
    for mistake in found:
        if not 0 <= mistake.index < len(pictures):
            raise ValueError(
                f"a mistake has index {mistake.index}, but there are {len(pictures)} images; "
                f"give all the evaluated images in their order"
            )
    checked_format(path)

    with house_style(words_of(found[:_MOST])):
        figure = (
            draw_grid(pictures, found[:_MOST], _title(found))
            if found
            else _draw_none(len(pictures))
        )
        save(figure, path)
    return figure


def _draw_none(images: int) -> Figure:
    figure = new_figure(5.0, 2.4)
    axes = figure.subplots()
    axes.axis("off")
    say(axes, f"No mistakes to show\n({images:,} images)", size=13)
    return figure


def _title(found: Sequence[Answer]) -> str:
    if len(found) > _MOST:
        return f"The {_MOST} most confident of {len(found):,} mistakes"
    return "The most confident mistakes" if len(found) > 1 else "The most confident mistake"
