"""Plain PNG and JPEG files by the core: several times faster than by Pillow, and the same pixels.

Of the time that Pillow takes for a picture of 28 x 28 or 48 x 48 pixels a tenth is decoding; the
rest is Python code that serves many formats and holds the interpreter lock, so that threads do not
help. The core reads such files by zlib and libjpeg-turbo, if it was built with them. Whatever is
not quite plain, and whatever it finds fault with, is left to Pillow, so that there is one opinion
about odd and damaged files (cpp/images/plain_png.h, plain_jpeg.h).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Jpeg:
    """Pixels uint8 (h, w, 1 or 3), and the `height` and `width` that they stand for: those of the
    file, which are h and w times the reduction or a little less."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


def plain_png(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """Pixels uint8 (height, width, 1 or 3) of a PNG file; None where Pillow must look at it."""
    from nncore import _core

    return _core.plain_png(data, max_pixels)


def plain_jpeg(
    data: bytes,
    max_pixels: int,
    max_decoded: int,
    reduced_side: int = 0,
    skip_applications: bool = False,
) -> Jpeg | None:
    """The picture of a JPEG file; None where Pillow must look at it.

    With `reduced_side` the decoder reduces a picture by 2, 4 or 8 as long as both sides stay at
    least so long; `max_decoded` limits the pixels after that. `skip_applications` takes files with
    Exif and colour profiles for plain, too.
    """
    from nncore import _core

    found = _core.plain_jpeg(data, max_pixels, max_decoded, reduced_side, skip_applications)
    return None if found is None else Jpeg(*found)
