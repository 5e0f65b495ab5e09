"""What the processes of one `fit` agree on: all go on, or all end, and with the same reason."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Mapping

from nncore.distributed import World
from nncore.errors import NncoreError
from nncore.process.signals import SignalStop, stopping_signal


class Agreement:
    """Between the processes of `world`; alone, there is nobody to agree with."""

    def __init__(self, world: World) -> None:
        self.world = world

    def on(self, work: Callable[[], bool]) -> bool:
        """Whether `work`, which every process does for itself, says to go on in all of them.

        An exception in one of them is one in all: its own there, and elsewhere KeyboardInterrupt
        for the same signal, or an NncoreError that names the process.
        """
        if self.world.alone:
            return work()
        going, error = True, None
        try:
            going = work()
        except BaseException as raised:
            error = raised
        said = self.world.all_of((going, _told(error)))
        if error is not None:
            raise error
        for rank, (_, told) in enumerate(said):
            if isinstance(told, int):
                raise _interruption(told)
            if told is not None:
                raise NncoreError(f"process {rank} of {self.world.size} failed: {told}")
        return all(go_on for go_on, _ in said)

    def on_signal(self, number: int | None) -> int | None:
        """The signal that ended one of them, if any did; asked after training has ended."""
        return next((n for n in self.world.all_of(number) if n is not None), None)

    def check_alike(self, facts: Mapping[str, object]) -> None:
        """NncoreError where processes are about to train different things.

        They would compute nonsense, or wait for each other forever.
        """
        for rank, others in enumerate(self.world.all_of(dict(facts))):
            different = [name for name, value in facts.items() if others[name] != value]
            if different:
                raise NncoreError(
                    f"the processes do not train the same: {', '.join(different)} differ between "
                    f"process {self.world.rank} and process {rank}; give every process the same "
                    "data, model and settings"
                )


def digest(*parts: bytes) -> str:
    """Of what is too long to be compared as it is."""
    value = hashlib.sha256()
    for part in parts:
        value.update(part)
    return value.hexdigest()


def _told(error: BaseException | None) -> int | str | None:
    """What the others are told: a signal's number, or what went wrong."""
    if error is None:
        return None
    if isinstance(error, KeyboardInterrupt):
        return stopping_signal(error)
    return f"{type(error).__name__}: {error}"


def _interruption(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else SignalStop(number)
