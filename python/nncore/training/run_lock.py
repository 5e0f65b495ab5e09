"""A lock on the folder of a run: one process at a time writes into it."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from pathlib import Path

from nncore.files.locks import lock
from nncore.files.own_folders import LOCK

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
        descriptor = _opened(folder)
        facts = os.fstat(descriptor)
        key = facts.st_dev, facts.st_ino
        ours = _held.get(key)
        if ours is not None:
            os.close(descriptor)
            return ours
        try:
            if not lock(descriptor):
                os.close(descriptor)
                return None
        except BlockingIOError:
            os.close(descriptor)
            reason = "another process trains into this run folder; wait, or choose another name"
            raise BlockingIOError(errno.EAGAIN, reason, str(folder)) from None
        _held[key] = held = cls(descriptor)
        return held


def _opened(folder: Path) -> int:
    """What is locked: the folder itself, or a file in it where folders cannot be opened."""
    if os.name == "nt":
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    return os.open(folder, os.O_RDONLY)
