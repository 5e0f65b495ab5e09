"""How much of a training's time looking on may take.

Time is that of the thread which trains: on a machine that does other things the clock goes on while
nothing is trained.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Budget:
    """Whether there is time to look again: what it took so far stays a small part of the whole.

    Parameters
    ----------
    share
        Part of the thread's time since now.
    expected
        Seconds that looking is expected to take, until it was seen.
    at_once
        Seconds that may be spent besides, from the beginning.
    """

    def __init__(self, share: float, expected: float = 0.0, at_once: float = 0.0) -> None:
        self._share, self._at_once = share, at_once
        self._begun = time.thread_time()
        self._spent, self._longest = 0.0, expected

    @contextlib.contextmanager
    def spend(self, times: int = 1) -> Iterator[None]:
        """What happens within is counted; looking again is expected to take `times` as long."""
        started = time.thread_time()
        yield
        seconds = time.thread_time() - started
        self._spent += seconds
        self._longest = max(self._longest, seconds * times)

    @property
    def allows(self) -> bool:
        """Whether looking once more is within the share."""
        elapsed = time.thread_time() - self._begun
        return self._spent + self._longest <= self._at_once + self._share * elapsed
