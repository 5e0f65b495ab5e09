"""Whose turn it is: how many requests are computed and how many bytes are held at the same time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from nncore.serve.limits import Limits
from nncore.serve.refusals import TooBusy


class Admission:
    """Counts of what is under way; used by the event loop's thread alone.

    A request takes its turn only when all of its body is there, so that slow clients keep nobody
    from being answered.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.held_bytes = 0

    def check(self) -> None:
        """503 where a request would get no turn now."""
        if self.requests >= self._limits.requests:
            raise TooBusy(f"{self.requests} requests are waiting already; try again")

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """While a request is computed."""
        self.check()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextlib.contextmanager
    def holding(self) -> Iterator[Holding]:
        """While the bytes of a body are held."""
        held = Holding(self, self._limits.held_bytes)
        try:
            yield held
        finally:
            self.held_bytes -= held.count


class Holding:
    """The bytes of one request's body."""

    def __init__(self, admission: Admission, most: int) -> None:
        self._admission, self._most = admission, most
        self.count = 0

    def add(self, count: int) -> None:
        """503 where that would be too many for all requests together."""
        if self._admission.held_bytes + count > self._most:
            raise TooBusy("too many large uploads at the same time; try again")
        self._admission.held_bytes += count
        self.count += count
