"""A contact sheet: some images of every class, and images that stand in several places."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.plots._figure import (
    GREY,
    ORANGE,
    checked_format,
    draw_picture,
    house_style,
    new_figure,
    save,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TILE = 1.0  # width of a picture in inches
_NAME = 2.0  # width of the class's name
_MOST_ROWS = 60
_LONGEST = 24  # letters of a name that fit beside its row
_LONGEST_TITLE = 18  # and above a tile


def contact_sheet(
    rows: Mapping[str, Sequence[NDArray[np.uint8]]],
    path: str | os.PathLike[str] | None = None,
    *,
    notes: Mapping[str, str] | None = None,
    duplicates: Sequence[tuple[NDArray[np.uint8], str]] = (),
) -> Figure:
    """A row of pictures per class with its name, and a last part with duplicates.

    Parameters
    ----------
    rows : mapping of str to a sequence of uint8 (H, W, 1) or (H, W, 3)
        Pictures of each class. The first 60 classes are drawn.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.
    notes : mapping of str to str, optional
        A line below the class's name, such as how many images it has.
    duplicates : sequence of (picture, words), optional
        Each is drawn once with the words above it: where it stands.

    Raises
    ------
    ValueError
        No classes, or the extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one class")
    checked_format(path)
    drawn = dict(list(rows.items())[:_MOST_ROWS])
    columns = max([len(pictures) for pictures in drawn.values()] + [3])
    extra = [duplicates[i : i + columns] for i in range(0, len(duplicates), columns)]
    pictures = [one for row in drawn.values() for one in row] + [one for one, _ in duplicates]
    tile = _tile_height(pictures)
    heights = [tile] * len(drawn) + [tile + 0.45] * len(extra)
    with house_style([*drawn, *(words for _, words in duplicates)]):
        figure = new_figure(
            _NAME + (_TILE + 0.08) * columns, sum(heights) + 0.15 * len(heights) + 0.7
        )
        grid = figure.subplots(
            len(heights),
            columns + 1,
            squeeze=False,
            gridspec_kw={"width_ratios": [_NAME, *[_TILE] * columns], "height_ratios": heights},
        )
        for axes in grid.ravel():
            axes.axis("off")
        for line, (name, row) in zip(grid, drawn.items(), strict=False):
            _say_name(line[0], name, (notes or {}).get(name, ""))
            for axes, picture in zip(line[1:], row, strict=False):
                draw_picture(axes, picture)
            if not row:
                line[1].text(0.0, 0.5, "no image", va="center", fontsize=9, color=ORANGE)
        for line, found in zip(grid[len(drawn) :], extra, strict=True):
            for axes, (picture, words) in zip(line[1:], found, strict=False):
                draw_picture(axes, picture)
                axes.set_title(words, fontsize=6.5, color=ORANGE)
        if extra:
            _say_name(grid[len(drawn)][0], "duplicates", "the same pixels, and where they stand")
        left = len(rows) - len(drawn)
        figure.suptitle(
            f"{len(rows)} classes" + (f", the first {len(drawn)} shown" if left else ""),
            fontsize=10,
        )
        save(figure, path)
    return figure


def short(name: str) -> str:
    """A name as it fits above a tile."""
    return shown(name, _LONGEST_TITLE)


def _tile_height(pictures: Sequence[NDArray[np.uint8]]) -> float:
    if not pictures:
        return _TILE
    height, width = pictures[0].shape[:2]
    return float(min(max(_TILE * height / width, 0.3), 2 * _TILE))


def _say_name(axes: Axes, name: str, note: str) -> None:
    axes.text(1.0, 0.56, shown(name, _LONGEST), ha="right", va="bottom", fontsize=10)
    axes.text(1.0, 0.46, note, ha="right", va="top", fontsize=7.5, color=GREY)
