"""A lock on the folder of a run: one process at a time writes into it.

The kernel holds it and lets go when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on this system: then nobody locks
    fcntl = None  # type: ignore[assignment]

_held: weakref.WeakValueDictionary[tuple[int, int], RunLock] = weakref.WeakValueDictionary()


class RunLock:
    """Held as long as the object is there; `take` makes one. The process may have it twice."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    @classmethod
    def take(cls, folder: Path) -> RunLock | None:
        """The lock on a folder; None where the file system has none.

        Raises
        ------
        BlockingIOError
            Another process has it.
        """
        if fcntl is None:
            return None
        descriptor = os.open(folder, os.O_RDONLY)
        facts = os.fstat(descriptor)
        key = facts.st_dev, facts.st_ino
        ours = _held.get(key)
        if ours is not None:
            os.close(descriptor)
            return ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                reason = "another process trains into this run folder; wait, or choose another name"
                raise BlockingIOError(errno.EAGAIN, reason, str(folder)) from None
            return None
        _held[key] = lock = cls(descriptor)
        return lock
