"""A team of threads of one process: what a program does in several processes, without any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from nncore.process.team import together

T = TypeVar("T")
_PATIENCE = 60.0  # seconds; a member that waits for the others so long fails


class _Table:
    """Where the members lay what they have for each other."""

    def __init__(self, size: int) -> None:
        self.laid: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=_PATIENCE)


class Member:
    """One of the team; the methods are those of `nncore.process.team.Team`."""

    def __init__(self, table: _Table, rank: int) -> None:
        self._table, self.rank, self.size = table, rank, len(table.laid)

    def all_of(self, value: Any) -> list[Any]:
        self._table.laid[self.rank] = value
        self._table.barrier.wait()
        found = list(self._table.laid)
        self._table.barrier.wait()
        return found

    def from_first(self, value: Any) -> Any:
        return self.all_of(value)[0]

    def exchange(self, parcels: Sequence[np.ndarray]) -> list[np.ndarray]:
        assert len(parcels) == self.size
        return [np.array(sent[self.rank]) for sent in self.all_of(list(parcels))]


def in_team(size: int, work: Callable[[Member], T]) -> list[T]:
    """What `work` gives in each of `size` members, run at the same time; what it raises in one."""
    table = _Table(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        member = Member(table, rank)
        try:
            with together(member):
                results[rank] = work(member)
        except BaseException as error:
            errors.append(error)
            table.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)] or errors
    if told:
        raise told[0]
    return results
