"""A memory map whose bytes are checked before they are first used.

A cache lies on the disk for months. A damaged byte of it must not become a pixel: the map is cut
into blocks of some rows, and a block is compared with its checksum when one of its rows is first
asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _core
from nncore.errors import DataError

_BLOCK_BYTES = 1 << 18  # about; checking a block takes some ten microseconds


def rows_per_block(row_bytes: int) -> int:
    """How many rows of so many bytes are checked together."""
    return max(1, _BLOCK_BYTES // max(row_bytes, 1))


def block_checksums(array: NDArray[Any]) -> NDArray[np.uint64]:
    """The checksum of every block of rows (M, ...) of a C-contiguous array."""
    row_bytes = array[:1].nbytes
    if array.nbytes == 0:
        return np.zeros(0, np.uint64)
    return _core.block_checksums(
        array.reshape(-1).view(np.uint8), rows_per_block(row_bytes) * row_bytes
    )


def bytes_checksum(data: bytes) -> str:
    """Of a whole small file, as hexadecimal digits."""
    if not data:
        return ""
    view = np.frombuffer(data, np.uint8)
    return f"{int(_core.block_checksums(view, len(data))[0]):016x}"


def map_rows(
    path: str | os.PathLike[str], header: bytes, shape: tuple[int, ...], dtype: Any
) -> NDArray[Any]:
    """The array in a .npy file, mapped; it cannot be written.

    Nothing that the file says is believed: it must begin with `header` and have the size that
    follows from `shape`.

    Raises
    ------
    OSError, ValueError
        There is no such file, or another one.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    whole = _core.map_file(os.fspath(path), len(header) + size)
    if whole[: len(header)].tobytes() != header:
        raise ValueError(f"{os.fspath(path)}: damaged")
    rows: NDArray[Any] = whole[len(header) :].view(dtype).reshape(shape)
    return rows


class CheckedMap:
    """Rows of a mapped file with the checksums of its blocks.

    Parameters
    ----------
    array
        (M, ...), C-contiguous.
    checksums
        uint64, one per block, as `block_checksums` gave; None: there is nothing to compare with.
    name
        What errors call it.
    damaged
        Called when damage is found: forgets the file, so that it is made anew, and gives another
        array with the same rows and its checksums if it can; else None.
    """

    def __init__(
        self,
        array: NDArray[Any],
        checksums: NDArray[np.uint64] | None = None,
        name: str = "",
        damaged: Callable[[], CheckedMap | None] | None = None,
    ) -> None:
        self.array, self.name, self.damaged = array, name, damaged
        self._blocks = (
            _core.CheckedBlocks(array, rows_per_block(array[:1].nbytes), checksums)
            if checksums is not None and len(checksums)
            else None
        )

    def sound(self, rows: NDArray[np.int32] | NDArray[np.int64]) -> bool:
        """Whether these rows (C-contiguous) are what was written, as far as can be told."""
        return self._blocks is None or not len(rows) or self._blocks.sound(rows)

    def checked(self, rows: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[Any]:
        """The array, these rows of which are sound; made anew first where they are not.

        Raises
        ------
        DataError
            They are damaged and cannot be made anew now; running again does it.
        """
        if self.sound(rows):
            return self.array
        other = None if self.damaged is None else self.damaged()
        if (
            other is None
            or other.array.shape != self.array.shape
            or not other.sound(np.arange(len(other.array)))
        ):
            raise DataError(
                f"{self.name}: damaged or truncated since it was made, and what it was made of is "
                "not there any more as it was; it is forgotten: run again, and it is made anew"
            )
        self.array, self._blocks = other.array, other._blocks
        return self.array
