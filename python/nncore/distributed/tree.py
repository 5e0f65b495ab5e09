"""Sums over processes by one fixed binary tree, so that their bits are those of one process.

The engine sums the chunks of a batch by a binary tree (``cpp/network/chunks.h``). A process that
has a branch of that tree has its sum; what is left of the tree, over n processes, is: the sum of
the first half of them, rounded up, plus that of the others.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Below so many floats a message costs by itself, not by its length.
_SHORT = 4096


class Comm(Protocol):
    """The part of mpi4py's communicators that a sum needs."""

    @property
    def rank(self) -> Any: ...
    @property
    def size(self) -> Any: ...
    @property
    def Sendrecv(self) -> Any: ...
    @property
    def Send(self) -> Any: ...
    @property
    def Recv(self) -> Any: ...
    @property
    def Bcast(self) -> Any: ...


def tree_sum(comm: Comm, values: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
    """Replace `values` by the sum over all processes, of which each gets the same bits.

    Parameters
    ----------
    comm
        The processes.
    values
        One-dimensional, of the same length everywhere. A process that has nothing to add gives
        -0.0, which changes no number it is added to.
    scratch
        As long as `values`.
    """
    if comm.size & (comm.size - 1):
        _up_and_down(comm, values, scratch)
    elif values.size < max(_SHORT, comm.size):
        _doubling(comm, values, scratch)
    else:
        _halving(comm, values, scratch)


def _doubling(comm: Comm, values: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Each level of the tree is one exchange of all values between two processes."""
    distance = 1
    while distance < comm.size:
        partner = comm.rank ^ distance
        comm.Sendrecv(values, partner, recvbuf=other, source=partner)
        values += other  # both partners get the same: a + b is b + a
        distance *= 2


def _halving(comm: Comm, values: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """At each level two processes share the work: each sums one half of what both have.

    Then all is in parts, one with each process, and the way back brings them together.
    """
    parts = []  # at each level: what was kept, what was given away
    first, last, distance = 0, values.size, 1
    while distance < comm.size:
        partner, middle = comm.rank ^ distance, (first + last) // 2
        kept, given = slice(first, middle), slice(middle, last)
        if comm.rank & distance:
            kept, given = given, kept
        comm.Sendrecv(values[given], partner, recvbuf=other[kept], source=partner)
        values[kept] += other[kept]
        parts.append((partner, kept, given))
        first, last = kept.start, kept.stop
        distance *= 2
    for partner, kept, given in reversed(parts):
        comm.Sendrecv(values[kept], partner, recvbuf=values[given], source=partner)


def _up_and_down(comm: Comm, values: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Any number of processes: up the tree to the first one, which tells all others."""
    branches = []
    first, size = 0, comm.size
    while size > 1:
        half = (size + 1) // 2
        branches.append((first, first + half))
        if comm.rank < first + half:
            size = half
        else:
            first, size = first + half, size - half
    for left, right in reversed(branches):
        if comm.rank == right:
            comm.Send(values, left)
        elif comm.rank == left:
            comm.Recv(other, right)
            values += other
    comm.Bcast(values)
