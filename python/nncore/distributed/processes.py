"""The processes that work together, as the rest of nncore sees them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import socket
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.distributed.background import BackgroundSums
from nncore.distributed.memory import in_common
from nncore.distributed.tree import tree_sum
from nncore.errors import MissingExtraError, NncoreError
from nncore.extras import how_to_install
from nncore.process.launch import SWITCH, Launch, launch, launched_for_messages
from nncore.process.pipes import wait_until_read
from nncore.process.runtime import share_threads

if TYPE_CHECKING:
    from mpi4py import MPI

    from nncore import _core

T = TypeVar("T")
# What the program that started the processes needs to print what it has read of one of them, s.
_PASSED_ON = 0.2


class World:
    """All processes that were started together, or this one alone.

    What has a meaning for all must be called by all, in the same order. Alone, each call is that
    of one process: nothing is sent.

    Attributes
    ----------
    rank, size
        The number of this process, from 0, and how many there are.
    hosts
        The names of the machines that they run on, in the order of the first process on each.
    """

    def __init__(self, comm: MPI.Intracomm | None = None) -> None:
        self._comm = comm
        self.rank = 0 if comm is None else comm.rank
        self.size = 1 if comm is None else comm.size
        self.hosts: list[str] = list(dict.fromkeys(self.all_of(socket.gethostname())))
        self._scratch = np.empty(0, np.float32)

    @property
    def alone(self) -> bool:
        """Whether this process is the only one."""
        return self._comm is None

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    # ---- what the engine asks for, once or more in each step

    def for_engine(self) -> World | _core.SharedMemoryExchange | None:
        """Whom the engine asks: nobody where this process is alone, the memory that all have in
        common where they are on one machine, and else this object."""
        return None if self._comm is None else self._in_common or self

    @functools.cached_property
    def _in_common(self) -> _core.SharedMemoryExchange | None:
        return None if self._comm is None or launched_for_messages() else in_common(self._comm)

    def sum(self, values: NDArray[np.float32]) -> None:
        """Replace `values`, of one dimension, by the sum over all processes by the fixed tree."""
        if self._comm is None:
            return
        if self._scratch.size < values.size:
            self._scratch = np.empty(values.size, np.float32)
        tree_sum(self._comm, values, self._scratch[: values.size])

    @functools.cached_property
    def background(self) -> BackgroundSums | None:
        """Who sums while this process computes; None where MPI takes no calls of two threads."""
        from mpi4py import MPI

        if self._comm is None:
            return None
        able = MPI.Query_thread() == MPI.THREAD_MULTIPLE
        return BackgroundSums(self._comm) if self._comm.allreduce(able, MPI.LAND) else None

    @property
    def overlaps(self) -> bool:
        """Whether `begin_sum` returns before the sum is there."""
        return self.background is not None

    def begin_sum(self, values: NDArray[np.float32]) -> None:
        """Begin what `sum` does; `values` are nobody's until `finish_sums`."""
        if self.background is None:
            self.sum(values)
        else:
            self.background.begin(values)

    def finish_sums(self) -> None:
        """Return when all sums that were begun are there."""
        if self.background is not None:
            self.background.finish()

    def gather_rows(self, rows: NDArray[Any], begins: Sequence[int]) -> None:
        """Complete `rows`, of which process p has begins[p] to begins[p + 1]."""
        if self._comm is None:
            return
        width = rows.size // max(1, len(rows)) * rows.itemsize
        places = [begin * width for begin in begins]
        counts = [end - begin for begin, end in itertools.pairwise(places)]
        from mpi4py import MPI

        data = rows.reshape(-1).view(np.uint8)
        self._comm.Allgatherv(MPI.IN_PLACE, [data, counts, places[:-1], MPI.BYTE])

    # ---- what Python asks for

    def all_of(self, value: T) -> list[T]:
        """What every process gives, by rank: any objects."""
        return [value] if self._comm is None else self._comm.allgather(value)

    def from_first(self, value: T) -> T:
        """What the first process gives: any object."""
        return value if self._comm is None else self._comm.bcast(value)

    def exchange(self, parcels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """To each process its parcel, the one of that rank: what all have for this one."""
        if self._comm is None:
            return [np.array(parcels[0])]
        found: list[NDArray[np.uint8]] = self._comm.alltoall(list(parcels))
        return found

    def any(self, flag: bool) -> bool:
        """Whether it holds for one of them."""
        return any(self.all_of(flag))

    def wait_for_all(self) -> None:
        """Return when all have called this."""
        if self._comm is not None:
            self._comm.Barrier()

    def abort(self, code: int) -> NoReturn:
        """End all processes at once, and the program that started them with this exit code."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # there is nobody left to tell
                stream.flush()
                wait_until_read(stream.fileno())
        if self._comm is not None:
            time.sleep(_PASSED_ON)
            self._comm.Abort(code)
        os._exit(code)

    def share_of_cpus(self) -> float:
        """Which part of the CPUs that this process may use is its own, from 0 to 1.

        Processes on one machine share the CPUs that several of them may use.
        """
        usable = getattr(os, "sched_getaffinity", None)
        mine = usable(0) if usable is not None else set(range(os.cpu_count() or 1))
        host = socket.gethostname()
        others = [cpus for name, cpus in self.all_of((host, mine)) if name == host]
        return sum(1 / sum(cpu in cpus for cpus in others) for cpu in mine) / len(mine)


@functools.cache
def world() -> World:
    """The processes that were started with this one; found out once.

    Raises
    ------
    MissingExtraError
        This process was started as one of several, and mpi4py is not installed.
    NncoreError
        mpi4py does not see the others.
    """
    started = launch()
    if started is None:
        return World()
    comm = _communicator(started)
    if comm is None:
        return World()
    found = World(comm)
    share_threads(found.share_of_cpus())
    _end_all_on_errors(found)
    return found


def _communicator(started: Launch) -> MPI.Intracomm | None:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise MissingExtraError(
            f"this is one of several processes ({started.variable} is set), which need mpi4py to "
            f"work together ({error}): {how_to_install('mpi')}, or set {SWITCH}=0, and each is for "
            "itself"
        ) from error
    except RuntimeError as error:  # the library of MPI is not there
        raise NncoreError(
            f"this is one of several processes ({started.variable} is set), and mpi4py finds no "
            f"MPI: {error}"
        ) from error
    comm = MPI.COMM_WORLD
    if started.size is not None and started.size != comm.size:
        library = MPI.Get_library_version().split("\n")[0].split(",")[0]
        raise NncoreError(
            f"{started.size} processes were started together, but mpi4py sees {comm.size}: it uses "
            f"{library}; start them by that library's own mpiexec"
        )
    return comm if comm.size > 1 else None


def _end_all_on_errors(found: World) -> None:
    """From now on an exception that nobody catches ends all processes, for the others would wait
    for this one forever."""
    before = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        before(kind, error, traceback)
        found.abort(130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = hook
