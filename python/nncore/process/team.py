"""Processes that do one piece of work together: what they need of each other, and who they are.

All processes of a team run the same program on the same data, so that they reach the same places in
the same order. What is shared among them is shared by the functions that find a team at work
(`team_at_work`): reading files, measuring, computing features. Where a part of the program is run
by one process alone, it must not find one (`alone`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Team(Protocol):
    """The processes. Each method is called by all of them, and waits for all.

    Attributes
    ----------
    rank : int
        Which of them this one is, from 0.
    size : int
        How many they are.
    """

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def all_of(self, value: Any) -> list[Any]:
        """What each of them gives, in the order of their ranks, to each of them."""

    def from_first(self, value: Any) -> Any:
        """What rank 0 gives, to each of them; what the others give is not looked at."""

    def exchange(self, parcels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """To each its parcel: what the others have for this one, as bytes, in the order of ranks.

        The k-th of `parcels` is for rank k.
        """


# Of a thread: others must not take part, since who calls first would be a matter of luck.
_AT_WORK: ContextVar[Team | None] = ContextVar("team", default=None)


def team_at_work() -> Team | None:
    """The team that shares the work; None where there is none or it has one member."""
    return _AT_WORK.get()


@contextlib.contextmanager
def together(team: Team | None) -> Iterator[None]:
    """While entered, what can be shared is shared by this team; of one member, or None, by none."""
    token = _AT_WORK.set(None if team is None or team.size == 1 else team)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


def alone() -> contextlib.AbstractContextManager[None]:
    """While entered, nothing is shared: for what one process of a team does by itself."""
    return together(None)


def each(team: Team, work: Callable[[], T]) -> list[T]:
    """What `work()` gives in each process, in the order of ranks, to each of them.

    What it raises in one of them, the first of them, is raised in all.
    """
    with alone():
        mine = _tried(work)
    return [_value(one) for one in team.all_of(mine)]


def by_first(work: Callable[[], T]) -> T:
    """What `work()` gives in rank 0 of the team at work, which alone does it; what it raises is
    raised in all. Without a team it is done as ever."""
    team = team_at_work()
    if team is None:
        return work()
    told = None
    if team.rank == 0:
        with alone():
            told = _tried(work)
    value: T = _value(team.from_first(told))
    return value


def _tried(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error


def _value(tried: Any) -> Any:
    value, error = tried
    if error is not None:
        raise error
    return value
