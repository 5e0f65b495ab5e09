"""Sums over processes that go on while this one computes.

On a link between machines the gradients of a large network take as long as much of a step. Those of
its last layers are known long before those of its first: their sums are begun then, in a thread of
their own.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.distributed.tree import tree_sum

if TYPE_CHECKING:
    from mpi4py import MPI

# MPI waits by asking again and again, and the CPU on which it does so is needed.
_NAP = 50e-6
_MOST_SPANS = 10_000  # a training may take millions of sums


class Patient:
    """The part of a communicator that a sum needs, which sleeps while it waits."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm = comm
        self.rank, self.size = comm.rank, comm.size

    def Sendrecv(self, values: Any, to: int, *, recvbuf: Any, source: int) -> None:
        self._wait(self._comm.Irecv(recvbuf, source), self._comm.Isend(values, to))

    def Send(self, values: Any, to: int) -> None:
        self._wait(self._comm.Isend(values, to))

    def Recv(self, values: Any, source: int) -> None:
        self._wait(self._comm.Irecv(values, source))

    def Bcast(self, values: Any) -> None:
        self._wait(self._comm.Ibcast(values))

    def _wait(self, *requests: MPI.Request) -> None:
        for request in requests:
            while not request.Test():
                time.sleep(_NAP)


class BackgroundSums:
    """Sums in the order in which they are begun, the same one in all processes.

    Attributes
    ----------
    spans
        Of each of the last sums, when it was begun and ended, by `time.perf_counter_ns`.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm = Patient(comm.Dup())
        self._thread = ThreadPoolExecutor(1, "nncore-sums")
        self._begun: list[Future[None]] = []
        self._scratch = np.empty(0, np.float32)
        self.spans: deque[tuple[int, int]] = deque(maxlen=_MOST_SPANS)

    def begin(self, values: NDArray[np.float32]) -> None:
        """Sum these, which nobody else touches until `finish`."""
        self._begun.append(self._thread.submit(self._sum, values))

    def finish(self) -> None:
        """Wait for all that were begun; the first error of them."""
        begun, self._begun = self._begun, []
        for one in begun:
            one.result()

    def _sum(self, values: NDArray[np.float32]) -> None:
        begun = time.perf_counter_ns()
        if self._scratch.size < values.size:
            self._scratch = np.empty(values.size, np.float32)
        tree_sum(self._comm, values, self._scratch[: values.size])
        self.spans.append((begun, time.perf_counter_ns()))
