"""Gray pictures of more than 8 bits to 8: 16-bit and 32-bit integers, floating point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_BLOCK_VALUES = 1 << 20  # converted at a time: what is in work needs eight bytes a value


def is_deep(mode: str) -> bool:
    """Whether a Pillow mode holds gray of more than 8 bits."""
    return mode in ("I", "F") or mode.startswith("I;16")


def to_8_bits(image: Image.Image) -> Image.Image:
    """A deep gray picture as L, or LA where one value is declared transparent.

    Integers from 0 to 65535 are scaled to round(255 * value / white), where white is 65535, or
    4095 and the like where a TIFF says that it has so few bits. Floating-point pixels have no
    fixed white: it is the first of 1, 255 and 65535 that no pixel exceeds. Where pixels are
    negative or above 65535, the range from the smallest to the largest becomes 0 to 255. NaN is
    black, an infinite pixel black or white by its sign.
    """
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(_from_floats(values))
    if image.mode == "I" and (values.min() < 0 or values.max() > 65535):
        gray = Image.fromarray(_stretched(values, float(values.min()), float(values.max())))
    else:
        gray = Image.fromarray(_from_integers(values, _white(image)))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return gray


def _white(image: Image.Image) -> int:
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    bits = int(tags.get(258, (16,))[0])  # TIFF BitsPerSample: 12-bit scans fill 0..4095 only
    return (1 << bits) - 1 if 8 < bits < 16 else 65535


def _from_integers(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    result = np.empty(values.shape, np.uint8)
    for rows in _blocks(values):
        wide = np.minimum(values[rows].astype(np.uint32), white)
        result[rows] = (wide * 255 + white // 2) // white
    return result


def _from_floats(values: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = np.inf, -np.inf
    for rows in _blocks(values):
        finite = values[rows][np.isfinite(values[rows])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low = high = 0.0  # not one finite pixel
    if low < 0 or high > _FLOAT_WHITES[-1]:
        return _stretched(values, low, high)
    return _stretched(values, 0.0, next(white for white in _FLOAT_WHITES if high <= white))


def _stretched(values: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    """`black` to 0, `white` to 255, what lies between in proportion."""
    result = np.empty(values.shape, np.uint8)
    for rows in _blocks(values):
        share = (values[rows].astype(np.float64) - black) / ((white - black) or 1.0)
        share = np.nan_to_num(share, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        result[rows] = np.clip(share, 0.0, 1.0) * 255 + 0.5
    return result


def _blocks(values: NDArray[Any]) -> Iterator[slice]:
    """Rows to work on at a time, so that little more memory is needed than for the result."""
    height = max(_BLOCK_VALUES // max(values.shape[1], 1), 1)
    for top in range(0, values.shape[0], height):
        yield slice(top, top + height)
