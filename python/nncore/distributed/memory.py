"""Memory that all processes have in common, where they are on one machine.

A message between two of them costs tens of microseconds and several copies; what stands in memory
that both see costs neither. The memory is that of a file without a name, on a disk that is memory:
it is gone when the processes are, however they end.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

    from nncore import _core

_FOLDER = "/dev/shm"


def in_common(comm: MPI.Intracomm) -> _core.SharedMemoryExchange | None:
    """What the processes tell each other through such memory; None where they have none.

    Called by all, with the same answer for all.
    """
    from nncore import _core

    size = _core.exchange_bytes(comm.size)
    path = os.path.join(_FOLDER, f"nncore-{secrets.token_hex(16)}")
    mine = _open(path, size, os.O_CREAT | os.O_EXCL) if comm.rank == 0 else None
    # Those on other machines, or in containers of their own, find no such file.
    path = comm.bcast(path)
    memory = mine if comm.rank == 0 else _open(path, size)
    found = all(comm.allgather(memory is not None))
    if mine is not None:
        os.unlink(path)
    if not found or memory is None:
        return None
    return _core.SharedMemoryExchange(np.frombuffer(memory, np.uint8), comm.rank, comm.size)


def _open(path: str, size: int, more: int = 0) -> mmap.mmap | None:
    """The file in memory; with `more`, made of zeros. None where that cannot be done."""
    with contextlib.suppress(OSError, AttributeError):  # full, not there; functions of POSIX
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | more, 0o600)
        try:
            if more:
                os.posix_fallocate(file, 0, size)  # all of it now: later there may be no room
            return mmap.mmap(file, size)
        except OSError:
            if more:
                os.unlink(path)
        finally:
            os.close(file)
    return None
