"""Plain PNG files, many times faster than by Pillow; the pixels are the same, PNG is lossless.

Pillow takes a tenth of a millisecond for a PNG of 28 x 28 pixels, nearly all of it in Python code
that serves many formats. The core does all of it where it was built with zlib; else Python's zlib
decompresses and the core undoes the filters. Whatever is not quite plain is left to Pillow, so that
there is one opinion about odd and damaged files: palettes, transparency, 16 bits, interlacing, text
and Exif, wrong checksums, missing ends.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.built_with import built_with

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3}  # by colour type: gray, RGB
# Chunks that do not change the pixels that Pillow gives, by their length.
_HARMLESS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
_chunk_head = struct.Struct(">I4s").unpack_from
_header = struct.Struct(">IIBBBBB").unpack_from
_crc = struct.Struct(">I").unpack_from


def plain_png(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """Pixels uint8 (height, width, 1 or 3) of a PNG file; None where Pillow must look at it."""
    if data[:8] != _SIGNATURE:
        return None
    if built_with("zlib"):
        from nncore import _core

        return _core.plain_png(data, max_pixels)
    return _by_python(data, max_pixels)


def _by_python(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(data) < 57:
        return None
    width, height, bits, kind, *methods = _header(data, 16)
    channels = _CHANNELS.get(kind)
    if (
        bits != 8
        or channels is None
        or methods != [0, 0, 0]
        or not 0 < width * height <= max_pixels
    ):
        return None
    packed = _image_data(data)
    if packed is None:
        return None
    size = height * (1 + width * channels)
    inflate = zlib.decompressobj()
    try:
        # One byte more than there may be: a longer stream is not plain.
        lines = inflate.decompress(packed, size + 1)
    except zlib.error:
        return None
    if len(lines) != size or not inflate.eof or inflate.unused_data:
        return None
    from nncore import _core

    try:
        return _core.png_pixels(lines, height, width, channels)
    except ValueError:  # an unknown filter
        return None


def _image_data(data: bytes) -> bytes | None:
    """What the IDAT chunks hold; None unless every chunk is whole, right and harmless."""
    parts = []
    start, end = 8, len(data)
    while start + 12 <= end:
        length, name = _chunk_head(data, start)
        stop = start + 8 + length
        if stop + 4 > end or zlib.crc32(data[start + 4 : stop]) != _crc(data, stop)[0]:
            return None
        if name == b"IDAT":
            parts.append(data[start + 8 : stop])
        elif name == b"IEND":
            # Nothing may follow: Pillow would read on in some versions.
            return b"".join(parts) if stop + 4 == end and length == 0 else None
        elif name == b"IHDR":
            if start != 8 or length != 13:
                return None
        elif _HARMLESS.get(name) != length or parts:
            return None
        start = stop + 4
    return None
