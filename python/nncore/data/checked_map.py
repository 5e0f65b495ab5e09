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
    size = rows_per_block(row_bytes)
    blocks = np.arange(-(-len(array) // size), dtype=np.int64)
    return _core.checksums(array.reshape(-1).view(np.uint8), size * row_bytes, blocks)


def bytes_checksum(data: bytes) -> str:
    """Of a whole small file, as hexadecimal digits."""
    if not data:
        return ""
    view = np.frombuffer(data, np.uint8)
    return f"{int(_core.checksums(view, len(data), np.zeros(1, np.int64))[0]):016x}"


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
        self._checksums = checksums
        self._rows = rows_per_block(array[:1].nbytes)
        self._sound = np.zeros(0 if checksums is None else len(checksums), np.bool_)
        self._all_sound = checksums is None or not len(checksums)

    def sound(self, rows: NDArray[np.integer[Any]]) -> bool:
        """Whether these rows are what was written, as far as can be told."""
        if self._checksums is None:
            return True
        if _core.lost_pages(self.array):
            return False
        if self._all_sound or not len(rows):
            return True
        first, last = int(rows[0]) // self._rows, int(rows[-1]) // self._rows
        # Most often they are consecutive, or nearly all: then their blocks need not be looked for.
        near = 0 <= last - first <= len(rows) // self._rows + 1 and rows.min() >= rows[0]
        near = near and rows.max() <= rows[-1]
        blocks = np.arange(first, last + 1) if near else np.unique(rows // self._rows)
        blocks = blocks[~self._sound[blocks]].astype(np.int64)
        if len(blocks):
            row_bytes = self.array[:1].nbytes
            flat = self.array.reshape(-1).view(np.uint8)
            found = _core.checksums(flat, self._rows * row_bytes, blocks)
            if (found != self._checksums[blocks]).any() or _core.lost_pages(self.array):
                return False
            self._sound[blocks] = True
            self._all_sound = bool(self._sound.all())
        return True

    def checked(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
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
        self.array, self._checksums = other.array, other._checksums
        self._sound, self._all_sound = other._sound, other._all_sound
        return self.array
