"""Windows that move over an image: what convolutions and pools have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nncore.arguments import check_int
from nncore.layers.base import Shape

Pair = tuple[int, int]


def int_pair(what: str, value: object, minimum: int) -> Pair:
    """(rows, columns) from a pair or from one integer for both."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError(f"{what} must be one integer or two, not {value!r}")
        return check_int(what, value[0], minimum), check_int(what, value[1], minimum)
    size = check_int(what, value, minimum)
    return size, size


def image_shape(what: str, shape: Shape) -> tuple[int, int, int]:
    """`shape` as (H, W, C); ValueError for a row of numbers."""
    if len(shape) != 3:
        raise ValueError(f"{what} takes images (height, width, channels), not inputs of {shape}")
    height, width, channels = shape
    return height, width, channels


def padding_of(what: str, value: object) -> str | Pair:
    """ "valid", "same" or the pixels on each side (rows, columns), from one integer or two."""
    if not isinstance(value, str):
        return int_pair(f"{what}: padding", value, 0)
    if value not in ("valid", "same"):
        raise ValueError(
            f'{what}: padding must be "valid", "same" or a number of pixels, not {value!r}'
        )
    return value


def count_windows(size: Pair, reach: Pair, strides: Pair, padding: str | Pair) -> Pair | None:
    """How many windows there are down and across; None where not one fits.

    Parameters
    ----------
    size
        Rows and columns of the image.
    reach
        Those of the window, from its first pixel to its last.
    padding
        As `padding_of` gives it.
    """
    if padding == "same":
        return math.ceil(size[0] / strides[0]), math.ceil(size[1] / strides[1])
    pad = (0, 0) if isinstance(padding, str) else padding
    rows, columns = (n + 2 * p - r for n, p, r in zip(size, pad, reach, strict=True))
    if rows < 0 or columns < 0:
        return None
    return rows // strides[0] + 1, columns // strides[1] + 1
