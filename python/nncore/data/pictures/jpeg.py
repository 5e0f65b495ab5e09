"""Plain JPEG files: by the core, or by Pillow's decoder without the Python code around it.

Of the time that Pillow takes for a JPEG of 48 x 48 pixels a tenth is decoding; the rest is Python
code, which holds the interpreter lock, so that threads do not help. The core, if it was built with
libjpeg-turbo, decodes by it as Pillow does, bit for bit (cpp/images/plain_jpeg.h). Else Pillow's
decoder gets small files as they are: the same compiled code on the same bytes. Whatever is not
quite plain, and whatever either finds fault with, is left to Pillow's usual way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.built_with import built_with

# Pillow hands larger files to its decoder in pieces of this size.
_LARGEST = 65536
_MODES = {1: "L", 3: "RGB"}
# Markers of segments that change neither pixels nor their orientation: JFIF and comments, tables,
# restart intervals. Not APP1 to APP15: Exif, colour profiles, several pictures, Adobe's inversions.
_HARMLESS = frozenset((0xE0, 0xFE, 0xDB, 0xC4, 0xDD))
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive


@dataclass(frozen=True)
class Jpeg:
    """Pixels uint8 (h, w, 1 or 3), and the `height` and `width` that they stand for: those of the
    file, which are h and w times the reduction or a little less."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


def plain_jpeg(
    data: bytes, max_pixels: int, max_decoded: int | None = None, reduced_side: int = 0
) -> Jpeg | None:
    """The picture of a JPEG file; None where Pillow must look at it.

    With `reduced_side` the decoder reduces a picture by 2, 4 or 8 as long as both sides stay at
    least so long; `max_decoded` limits the pixels after that.
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    limit = max_pixels if max_decoded is None else max_decoded
    if built_with("libjpeg"):
        return by_core(data, max_pixels, limit, reduced_side)
    frame = _frame(data) if len(data) <= _LARGEST else None
    if frame is None:
        return None
    height, width, channels = frame
    if not 0 < width * height <= min(max_pixels, limit):
        return None
    if reduced_side and min(height, width) >= 2 * reduced_side:
        return None
    try:
        pixels = _decoded(data, height, width, channels)
    except (AttributeError, TypeError, ValueError, OSError):
        return None  # another Pillow, or data that it refuses
    return None if pixels is None else Jpeg(pixels, height, width)


def by_core(
    data: bytes,
    max_pixels: int,
    max_decoded: int,
    reduced_side: int,
    skip_applications: bool = False,
) -> Jpeg | None:
    """`plain_jpeg` by libjpeg-turbo; None without it. `skip_applications` takes files with Exif and
    colour profiles for plain, too."""
    from nncore import _core

    found = _core.plain_jpeg(data, max_pixels, max_decoded, reduced_side, skip_applications)
    return None if found is None else Jpeg(*found)


def _frame(data: bytes) -> tuple[int, int, int] | None:
    """Height, width and channels; None unless all segments before the pixels are harmless."""
    frame = None
    start, end = 2, len(data)
    while start + 4 <= end and data[start] == 0xFF:
        marker, length = data[start + 1], data[start + 2] << 8 | data[start + 3]
        if marker == 0xDA:  # the pixels begin
            return frame
        if length < 2 or start + 2 + length > end:
            return None
        if marker in _FRAMES:
            if frame is not None or length < 8 or data[start + 4] != 8:
                return None
            channels = data[start + 9]
            if channels not in _MODES:
                return None
            height = data[start + 5] << 8 | data[start + 6]
            frame = height, data[start + 7] << 8 | data[start + 8], channels
        elif marker not in _HARMLESS:
            return None
        start += 2 + length
    return None


def _decoded(data: bytes, height: int, width: int, channels: int) -> NDArray[np.uint8] | None:
    from PIL import Image

    pillow: Any = Image
    core = pillow.core
    mode = _MODES[channels]
    image = core.new(mode, (width, height))
    decoder = core.jpeg_decoder(mode, mode, "")
    decoder.setimage(image, (0, 0, width, height))
    consumed, error = decoder.decode(data)
    if consumed >= 0 or error:
        return None  # it asks for more than there is, or cannot go on
    encoder = core.raw_encoder(mode, mode)
    encoder.setimage(image, (0, 0, width, height))
    size = height * width * channels
    _, _, pixels = encoder.encode(size)
    if len(pixels) != size:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(height, width, channels)
