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
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nncore._core import Images
    from nncore.data import Augmentation
    from nncore.data.mapped import MappedImages

_TILE = 1.0  # longer side of a picture in inches
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

    height, width = images.shape[1:3]
    tile_height, tile_width = (
        _TILE * height / max(height, width),
        _TILE * width / max(height, width),
    )
    with house_style():
        figure = new_figure(
            (tile_width + 0.08) * (copies + 1) + 0.3, (tile_height + 0.08) * count + 0.7
        )
        grid = figure.subplots(count, copies + 1, squeeze=False)
        for axes, picture in zip(grid.ravel(), shown.reshape(-1, *shown.shape[2:]), strict=True):
            axes.axis("off")
            draw_picture(axes, picture)
        titles = ["image", *(f"epoch {number}" for number in range(1, copies + 1))]
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=8, color=GREY)
        figure.suptitle("what training sees of an image", fontsize=10)
        save(figure, path)
    return figure
