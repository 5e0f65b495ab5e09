"""The pictures of a page: those that a report names, as thumbnails."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore.report.thumbnails import Thumbnail, thumbnail
from nncore.training.answers.answered_images import AnsweredImage
from nncore.training.answers.report import Mistake

if TYPE_CHECKING:
    from nncore.data.mapped import Pixels
    from nncore.data.preprocessing import Preprocessing

Named: TypeAlias = Mistake | AnsweredImage
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class ShownImage:
    """An image of a report with its picture, None where that cannot be shown, and with the same
    under its heat map, if there is one."""

    image: Named
    file: str
    picture: Thumbnail | None
    heat: Thumbnail | None = None


@dataclass(frozen=True)
class Found:
    """Pixels (H, W, C) of images by their index; how many are missing, and why the first is."""

    pixels: Mapping[int, U8]
    missing: int = 0
    reason: str = ""


def from_memory(named: Iterable[Named], images: Pixels) -> Found:
    """The pixels of the images that a report names, of all that were evaluated."""
    rows = sorted({image.index for image in named})
    return Found({row: _three_axes(np.asarray(images[row])) for row in rows if row < len(images)})


def from_files(named: Sequence[Named], preprocessing: Preprocessing | None, folder: str) -> Found:
    """The same, decoded from their files; relative paths lead from `folder`."""
    from nncore.data.reading.load import load_images

    if preprocessing is None:
        count = len({image.index for image in named})
        return Found({}, count, "nothing says how the model sees pictures")
    paths = {
        image.index: os.path.join(folder, image.path) for image in named if image.path is not None
    }
    if not paths:
        return Found({}, len({image.index for image in named}), "they did not come from files")
    images, read, skipped = load_images(sorted(set(paths.values())), preprocessing)
    position = {path: at for at, path in enumerate(read)}
    pixels = {row: images[position[path]] for row, path in paths.items() if path in position}
    missing = sum(path not in position for path in paths.values())
    reason = f"{skipped[0].path}: {skipped[0].reason}" if skipped else ""
    return Found(pixels, missing, reason)


def shown_images(
    named: Sequence[Named], found: Found, overlays: Mapping[int, Thumbnail]
) -> list[ShownImage]:
    """Thumbnails of images, beside overlays by index."""
    return [
        ShownImage(
            image,
            _file(image),
            thumbnail(found.pixels[image.index]) if image.index in found.pixels else None,
            overlays.get(image.index),
        )
        for image in named
    ]


def _file(image: Named) -> str:
    """The name of the image's file and of the folder that it is in, which often is the class."""
    if image.path is None:
        return f"image {image.index}"
    folder, name = os.path.split(image.path)
    return os.path.join(os.path.basename(folder), name)


def _three_axes(pixels: U8) -> U8:
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
