"""Part of a memory-mapped set of images, without a copy of their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore.data.checked_map import CheckedMap

Pixels: TypeAlias = "NDArray[np.uint8] | MappedImages"


class MappedImages:
    """The images `source[rows]`, read from the map when they are asked for.

    An index, a slice or an array of positions gives their pixels as an array; `numpy.asarray` reads
    all of them into memory; `take` chooses some without reading any.

    Parameters
    ----------
    source
        uint8 (M, H, W, C), C-contiguous; or a `CheckedMap` of such, whose images are compared with
        their checksums before they are used.
    rows
        int32 (N,), 0..M-1: where each image lies.
    """

    def __init__(self, source: NDArray[np.uint8] | CheckedMap, rows: NDArray[np.int32]) -> None:
        self.map = source if isinstance(source, CheckedMap) else CheckedMap(source)
        self.rows = rows

    @property
    def source(self) -> NDArray[np.uint8]:
        """All images of the map, whether they are sound or not."""
        return self.map.array

    def checked_source(self) -> NDArray[np.uint8]:
        """All images of the map; those of `rows` are sound.

        Raises
        ------
        DataError
            They are not, and the files that they were made of are not there as they were.
        """
        return self.map.checked(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.rows), *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        return self.source.ndim

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return self.source.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the N images."""
        return len(self.rows) * self.source[:1].nbytes

    @cached_property
    def _are_a_range(self) -> bool:
        """Whether the images lie in the map one behind the other."""
        return bool((np.diff(self.rows) == 1).all())

    def take(self, positions: NDArray[np.integer[Any]]) -> MappedImages:
        """The images at these positions, in this order; no pixel is read."""
        return MappedImages(self.map, self.rows[positions])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            whole: NDArray[np.uint8] = self[:][key]
            return whole
        rows = self.rows[first]
        source = self.map.checked(np.ascontiguousarray(rows).reshape(-1))
        chosen: NDArray[np.uint8]
        if isinstance(first, slice) and len(rows) and first.step in (None, 1) and self._are_a_range:
            chosen = np.asarray(source[rows[0] : rows[0] + len(rows)])  # no copy
        else:
            chosen = np.asarray(source[rows])
        if not rest:
            return chosen
        inner: NDArray[np.uint8] = chosen[tuple(rest) if chosen.ndim == 3 else (slice(None), *rest)]
        return inner

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[position] for position in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("mapped images cannot become one array without a copy")
        pixels = self[:]
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.asarray, (self[:],)  # a map is of one process

    def __repr__(self) -> str:
        return f"MappedImages({self.shape}, of {len(self.source)} in a map)"


def chosen_images(images: Pixels, positions: NDArray[np.intp]) -> Pixels:
    """The images at `positions`: copied, or chosen in the map where they are in one."""
    if isinstance(images, MappedImages):
        return images.take(positions)
    if isinstance(images, np.memmap):
        return MappedImages(images, positions.astype(np.int32))
    return images[positions]


def contiguous_images(images: Any) -> Pixels:
    """`images` as a C-contiguous array or as they are where they are in a map."""
    if isinstance(images, MappedImages):
        return images
    if isinstance(images, np.memmap) and images.flags.c_contiguous:
        return images
    array: NDArray[np.uint8] = np.ascontiguousarray(images)
    return array
