"""Images beside the changed copies of them that training sees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nncore.arguments import check_int
from nncore.plots._figure import (
    GREY,
    as_bytes,
    checked_format,
    draw_picture,
    house_style,
    new_figure,
    save,
    whole_page,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nncore._core import Images
    from nncore.data import Augmentation
    from nncore.data.mapped import MappedImages

# In inches: the longer side of a picture, what is between two, and the place of the titles.
_TILE, _GAP, _TOP = 1.0, 0.1, 0.56
_MOST_TILES = 1000


def augmented(
    images: Images | MappedImages,
    augmentation: Augmentation,
    path: str | os.PathLike[str] | None = None,
    *,
    count: int = 6,
    copies: int = 8,
    seed: int = 0,
) -> Figure:
    """A row per image: the image, and what training sees instead in each of the first epochs.

    The copies are those of `fit` on the same images with the same seed, made by the same code.

    Parameters
    ----------
    images : uint8 or float32 (N, H, W, C), C = 1 or 3
        All training images. Of float images, the smallest value is drawn black, the largest white.
    augmentation : Augmentation
        Its settings.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.
    count : int
        Images to show, taken evenly over all.
    copies : int
        Epochs to show.
    seed : int
        That of the training.

    Raises
    ------
    TypeError, ValueError
        Images of another shape or dtype, numbers out of range, or the extension of `path` is
        unknown.
    OSError
        `path` cannot be written.
    """
    checked_format(path)
    count = check_int("count", count, 1)
    copies = check_int("copies", copies, 1)
    augmentation.check_images(images)
    if len(images) == 0 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"images must have the shape (N, H, W, 1) or (N, H, W, 3), not {images.shape}"
        )
    count = min(count, len(images))
    if count * copies > _MOST_TILES:
        raise ValueError(f"{count} images times {copies} copies are more than {_MOST_TILES}")
    chosen = np.linspace(0, len(images) - 1, count).astype(np.int32)
    columns: list[Images] = [images[chosen]]
    columns += [augmentation.apply(images, seed, epoch, chosen) for epoch in range(copies)]
    shown = as_bytes(np.stack(columns, axis=1))

    longest = max(images.shape[1:3])
    height, width = (_TILE * side / longest for side in images.shape[1:3])
    with house_style():
        figure = new_figure((width + _GAP) * (copies + 1) + _GAP, (height + _GAP) * count + _TOP)
        # Axes of their own for each picture would take ten times as long.
        axes = whole_page(figure)
        for column in range(copies + 1):
            left = _GAP + column * (width + _GAP)
            title = f"epoch {column}" if column else "image"
            axes.text(left + width / 2, _TOP - 0.06, title, fontsize=8, color=GREY, ha="center")
            for row in range(count):
                top = _TOP + row * (height + _GAP)
                place = (left, left + width, top + height, top)
                draw_picture(axes, shown[row, column], place)
        figure.suptitle("what training sees of an image", fontsize=10)
        save(figure, path)
    return figure
