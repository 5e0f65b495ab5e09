"""Windows that move over an image: what convolutions and pools have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nncore.arguments import check_int
from nncore.layers.base import Shape

Pair = tuple[int, int]
# What is around an image: ((top, bottom), (left, right)).
Sides = tuple[Pair, Pair]


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


def padding_of(what: str, value: object) -> str | Pair | Sides:
    """ "valid", "same" or pixels, in their shortest form: (rows, columns) on each side, or `Sides`.

    They are given as one integer, as two, or as pairs of these: ((top, bottom), (left, right)).
    """
    if isinstance(value, str):
        if value not in ("valid", "same"):
            raise ValueError(
                f'{what}: padding must be "valid", "same" or a number of pixels, not {value!r}'
            )
        return value
    if not isinstance(value, Sequence) or not any(isinstance(side, Sequence) for side in value):
        return int_pair(f"{what}: padding", value, 0)
    if len(value) != 2:
        raise ValueError(f"{what}: padding must be ((top, bottom), (left, right)), not {value!r}")
    rows, columns = (int_pair(f"{what}: padding", sides, 0) for sides in value)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return rows[0], columns[0]
    return rows, columns


def sides_of(padding: str | Pair | Sides) -> Sides:
    """The pixels of what `padding_of` gave; none for "valid" and "same"."""
    if isinstance(padding, str):
        return (0, 0), (0, 0)
    rows, columns = padding
    if isinstance(rows, int) or isinstance(columns, int):
        return (rows, rows), (columns, columns)  # type: ignore[return-value]
    return rows, columns


def engine_padding(padding: str | Pair | Sides) -> tuple[str, Pair, Pair]:
    """As the engine takes it: the way, and the pixels above and left, below and right."""
    (top, bottom), (left, right) = sides_of(padding)
    way = padding if isinstance(padding, str) else "explicit"
    return way, (top, left), (bottom, right)


def count_windows(
    size: Pair, reach: Pair, strides: Pair, padding: str | Pair | Sides
) -> Pair | None:
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
    sides = sides_of(padding)
    rows, columns = (n + sum(p) - r for n, p, r in zip(size, sides, reach, strict=True))
    if rows < 0 or columns < 0:
        return None
    return rows // strides[0] + 1, columns // strides[1] + 1
