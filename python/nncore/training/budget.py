"""How much of a training's time looking on may take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Budget:
    """Whether there is time to look again: what it took so far stays a small part of the whole.

    Parameters
    ----------
    share
        Part of the time since now.
    at_once
        Seconds that may be spent besides, from the beginning.
    """

    def __init__(self, share: float, at_once: float = 0.0) -> None:
        self._share, self._at_once = share, at_once
        self._begun = time.monotonic()
        self._spent = self._longest = 0.0

    @contextlib.contextmanager
    def spend(self, times: int = 1) -> Iterator[None]:
        """What happens within is counted; looking again is expected to take `times` as long."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self._spent += seconds
        self._longest = max(self._longest, seconds * times)

    @property
    def allows(self) -> bool:
        """Whether looking once more is within the share."""
        elapsed = time.monotonic() - self._begun
        return self._spent + self._longest <= self._at_once + self._share * elapsed
