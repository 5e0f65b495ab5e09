"""What the header of a picture file says, without decoding its pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nncore.data.pictures.decode import _identify, _read


@dataclass(frozen=True)
class ImageFacts:
    """`format` ("JPEG"), `mode` (Pillow's: "L", "RGB", "RGBA", "P", "I;16", ...), and the size in
    pixels as stored, before EXIF turns it upright."""

    format: str
    mode: str
    height: int
    width: int


def image_facts(path: str | os.PathLike[str]) -> ImageFacts:
    """Facts of one image file.

    Raises
    ------
    UnusableImageError
        As `decode_image`: missing, unreadable, no image, or a damaged header.
    """
    name = os.fspath(path)
    with _read(path, name) as file, _identify(file, name) as image:
        return ImageFacts(image.format or "unknown", image.mode, image.height, image.width)
