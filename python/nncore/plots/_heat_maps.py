"""Pictures beside their heat maps."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.plots._figure import as_bytes, checked_format, house_style, new_figure, save, shown
from nncore.plots._heat import heat_overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 30
_PAIRS = 3  # in a row
_TILE = 1.9  # width of a picture in inches
_LONGEST_TITLE = 34


def heat_maps(
    images: Any,
    maps: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    titles: Sequence[str] = (),
) -> Figure:
    """Each picture, and beside it where the model looked.

    Parameters
    ----------
    images : uint8 or float (N, H, W), (N, H, W, 1) or (N, H, W, 3)
        The pictures; the first 30 are drawn. Of float ones the smallest value of each becomes
        black, the largest white.
    maps : float (N, H, W)
        Their heat maps, as `Sequential.explain` gives them.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.
    titles
        Words above each picture, such as the class that is explained; N, or none.

    Raises
    ------
    ValueError, TypeError
        Arrays that do not fit together, no picture, or an unknown extension of `path`.
    OSError
        `path` cannot be written.
    """
    pictures, heat = np.asarray(images), np.asarray(maps)
    if pictures.ndim not in (3, 4) or heat.ndim != 3 or not len(pictures) == len(heat) > 0:
        raise ValueError(
            f"images must have shape (N, H, W, C) and maps (N, H, W), N at least 1, got "
            f"{pictures.shape} and {heat.shape}"
        )
    if len(titles) not in (0, len(pictures)):
        raise ValueError(f"{len(titles)} titles for {len(pictures)} images")
    checked_format(path)
    count = min(len(pictures), _MOST)
    overlays = [heat_overlay(*pair) for pair in zip(pictures[:count], heat, strict=False)]
    if pictures.ndim == 4 and pictures.shape[3] == 1:
        pictures = pictures[..., 0]
    plain = [as_bytes(picture) for picture in pictures[:count]]
    rows, pairs = math.ceil(count / _PAIRS), min(count, _PAIRS)
    height, width = heat.shape[1:]
    tile = min(max(_TILE * height / width, 0.5), 2 * _TILE)
    with house_style(titles):
        figure = new_figure(max((2 * _TILE + 0.3) * pairs, 4.4), (tile + 0.4) * rows + 0.6)
        grid = figure.subplots(rows, 2 * pairs, squeeze=False)
        for axes in grid.ravel():
            axes.axis("off")
        places = grid.reshape(-1, 2)
        for at, tiles in enumerate(zip(plain, overlays, strict=True)):
            for axes, tile_pixels in zip(places[at], tiles, strict=True):
                axes.imshow(tile_pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if titles:
                words = shown(titles[at], _LONGEST_TITLE)
                places[at, 0].set_title(words, fontsize=8, loc="left")
        left = f"; the first {count} of {len(pictures):,}" if count < len(pictures) else ""
        figure.suptitle(f"where the model looked: yellow is hot{left}", fontsize=10)
        save(figure, path)
    return figure
