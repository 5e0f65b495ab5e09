"""Colour of 16 bits per channel, of which Pillow keeps the high byte: both bytes, rounded.

Pillow's decoders unpack "RGB;16B", big-endian, by taking the first byte of each pair. The same
pixels unpacked as little-endian give the second byte. So such a file is decoded twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

_CODECS = ("zip", "raw", "libtiff")  # PNG and TIFF
_WIDE_RAWMODES = ("RGB;16", "RGBA;16", "RGBX;16", "CMYK;16")
_OTHER_END = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_BLOCK_PIXELS = 1 << 20


def is_wide(image: Image.Image) -> bool:
    """Whether an opened, not yet decoded picture has colour of 16 bits per channel."""
    return _low_byte_rawmode(image) is not None


def decode_wide(image: ImageFile, again: ImageFile) -> Image.Image:
    """The picture in 8 bits: round(value / 257) in every channel.

    `image` and `again` are the same file, opened twice and not yet decoded. A colour that a PNG
    declares transparent (tRNS) is compared in all 16 bits.
    """
    rawmode = _low_byte_rawmode(image)
    assert rawmode is not None
    again.tile = [_with_rawmode(tile, rawmode) for tile in again.tile]
    again.load()
    if rawmode == "RGBA":
        # Gray and alpha, 16 bits each: the four bytes of a pixel stand in four channels.
        pairs = np.asarray(again).astype(np.int16)
        gray = _frombytes("LA", again.size, _rounded(pairs[..., ::2], pairs[..., 1::2]))
        gray.info = dict(again.info)  # its orientation
        return gray
    image.load()
    transparent = image.info.pop("transparency", None)
    width, height = image.size
    alpha = _opaque(image) if isinstance(transparent, tuple) else None
    rows = max(_BLOCK_PIXELS // width, 1)
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        size = (width, box[3] - top)
        high = np.asarray(image.crop(box)).astype(np.int16)
        low = np.asarray(again.crop(box)).astype(np.int16)
        image.paste(_frombytes(image.mode, size, _rounded(high, low)), box)
        if alpha is not None:
            values = high.astype(np.int32) * 256 + low
            seen = np.where((values == transparent).all(axis=-1), 0, 255).astype(np.uint8)
            alpha.paste(_frombytes("L", size, seen), box)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _low_byte_rawmode(image: Image.Image) -> str | None:
    """How to unpack the low bytes; None unless all of the picture is 16-bit colour."""
    tiles = getattr(image, "tile", None)
    if not tiles or not tiles[0][3]:
        return None
    codec, rawmode = tiles[0][0], _rawmode(tiles[0])
    if not isinstance(rawmode, str) or ";16" not in rawmode or codec not in _CODECS:
        return None
    if any((tile[0], _rawmode(tile)) != (codec, rawmode) for tile in tiles):
        return None
    if rawmode == "LA;16B" and image.mode == "RGBA":
        return "RGBA"
    if rawmode[:-1] not in _WIDE_RAWMODES:
        return None
    return rawmode[:-1] + _OTHER_END[rawmode[-1]]


def _rawmode(tile: Any) -> Any:
    args = tile[3]
    return args[0] if isinstance(args, tuple) and args else args


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    args = rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:])
    # Pillow has made its tiles named tuples; they were plain ones.
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)


def _rounded(high: NDArray[np.int16], low: NDArray[np.int16]) -> NDArray[np.uint8]:
    # value = 257 * high + (low - high), so value / 257 is high or one of its neighbours.
    return (high + (low - high > 128) - (high - low > 128)).astype(np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.new("L", image.size, 255)


def _frombytes(mode: str, size: tuple[int, int], pixels: NDArray[np.uint8]) -> Image.Image:
    from PIL import Image

    return Image.frombytes(mode, size, pixels.tobytes())
