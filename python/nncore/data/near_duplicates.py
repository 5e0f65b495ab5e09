"""Pictures that are nearly the same: copies that were scaled, compressed or brightened.

Two pictures are taken for one where their pixels correlate by 0.99 and more, once in 8 x 8 cells,
which is quick, and then in up to 32 x 32. Correlation does not see brightness and contrast. Copies
that were moved, cut or mirrored are not found. N images, F numbers of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncore.data.digests import pixel_digest
from nncore.data.mapped import Pixels
from nncore.kernels import matmul

F32 = NDArray[np.float32]

ALIKE = 0.99
COARSE, FINE = 8, 32
_BLOCK = 1024


def find_near_duplicates(images: Pixels, digests: list[bytes] | None = None) -> list[list[int]]:
    """Sets of images that are nearly the same: the first one of each, and those like it.

    Each image is compared with the images before it that are like none before them, so memory
    grows with the number of images, and time with its square: 100,000 take a minute. Images of
    equal pixels count once, by their first, and those of one colour not at all.

    Parameters
    ----------
    images
        uint8 (N, H, W, C).
    digests
        Of their pixels, if they are known (`ImageDataset.pixel_digests`).
    """
    known = digests or [pixel_digest(image) for image in images]
    first: dict[bytes, int] = {}
    for position, digest in enumerate(known):
        first.setdefault(digest, position)
    if not first:
        return []
    places = np.fromiter(first.values(), np.int64, len(first))
    coarse = np.concatenate([_cells(images, places[b], COARSE) for b in _blocks(len(places))])
    leaders = np.empty(0, np.int64)
    sets: dict[int, list[int]] = {}
    for block in _blocks(len(places)):
        rows = np.arange(len(places))[block]
        # With those that are far from all before: they may be like each other.
        candidates = np.concatenate([leaders, rows])
        leader_of: dict[int, int] = {}
        for row, other in _alike(images, places, coarse, rows, candidates):
            if row not in leader_of and other not in leader_of:
                leader_of[row] = other
                sets.setdefault(other, [other]).append(row)
        leaders = np.concatenate([leaders, [row for row in rows.tolist() if row not in leader_of]])
    return [places[members].tolist() for _, members in sorted(sets.items())]


def _alike(
    images: Pixels,
    places: NDArray[np.int64],
    coarse: F32,
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Pairs of one of `rows` and an earlier one of `candidates` that are nearly the same, in
    order."""
    found: list[tuple[int, int]] = []
    for block in _blocks(len(candidates)):
        others = candidates[block]
        near = matmul(coarse[rows], np.ascontiguousarray(coarse[others].T)) >= ALIKE
        near &= others[np.newaxis] < rows[:, np.newaxis]
        left, right = np.nonzero(near)
        for part in _blocks(len(left)):
            one, other = rows[left[part]], others[right[part]]
            fine = (_cells(images, places[x], FINE) for x in (one, other))
            same = np.einsum("nf,nf->n", *fine, dtype=np.float64) >= ALIKE
            found += zip(one[same].tolist(), other[same].tolist(), strict=True)
    return sorted(found)


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


def _cells(images: Pixels, places: NDArray[np.int64], side: int) -> F32:
    """Mean colours of at most `side` x `side` cells of each image, as rows (n, F) with mean 0 and
    length 1; zeros where all are equal."""
    cells: F32 = np.asarray(images[places]).astype(np.float32)
    for axis in (1, 2):
        length = cells.shape[axis]
        edges = np.arange(min(side, length)) * length // min(side, length)
        widths = np.diff(np.append(edges, length)).astype(np.float32)
        shape = (-1, 1, 1) if axis == 1 else (-1, 1)
        sums: F32 = np.add.reduceat(cells, edges, axis=axis)
        cells = sums / widths.reshape(shape)
    rows = cells.reshape(len(cells), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    # Below a level of 255 per cell there is nothing but noise.
    flat = lengths < np.sqrt(rows.shape[1])
    result: F32 = np.where(flat, 0, rows / np.maximum(lengths, 1)).astype(np.float32)
    return result
