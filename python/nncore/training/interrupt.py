"""Ctrl-C, SIGTERM and SIGHUP that wait for a block of training steps to be recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Protocol

from nncore.distributed import World
from nncore.process.signals import ENDING, SignalStop, raise_stop

# The handlers that `Interrupt` stands in for. SIGTERM and SIGHUP have the second one only where
# the program asked for it, as the command line does: else they end the process, as ever.
_HELD_BACK: dict[int, Callable[..., Any]] = {
    signal.SIGINT: signal.default_int_handler,
    **dict.fromkeys(ENDING, raise_stop),
}


class _Trained(Protocol):
    interrupted: bool
    interrupt_signal: int | None


def end_if_interrupted(model: _Trained) -> None:
    """Raise what ended the `fit` of a model that is worth nothing half trained."""
    if model.interrupted:
        number = model.interrupt_signal or signal.SIGINT
        raise KeyboardInterrupt if number == signal.SIGINT else SignalStop(number)


class Interrupt:
    """While entered, the first Ctrl-C is only noted; `check` then raises KeyboardInterrupt.

    So training stops where weights, history and position agree, and can be resumed to the same
    bits. A second Ctrl-C raises at once. In threads other than the main one, and where the program
    has its own SIGINT handler, nothing is changed. SIGTERM and SIGHUP likewise, where `raise_stop`
    is their handler. `ask` is the same as a first Ctrl-C, from any thread. Where several processes
    train together, a second one ends them all, for they could not end together.
    """

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.requested: int | None = None
        self._asked = False
        self._installed: list[int] = []

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number, handler in _HELD_BACK.items():
                if signal.getsignal(number) is handler:
                    signal.signal(number, self._on_signal)
                    self._installed.append(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in self._installed:
            signal.signal(number, _HELD_BACK[number])
        if kind is None:
            # Noted after the last check: it must not get lost.
            self.check()

    def ask(self) -> None:
        """Let the next `check` raise as after Ctrl-C. A real Ctrl-C after it is still the first."""
        self._asked = True

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was held back, if there was one."""
        if self.requested is not None:
            self._raise(self.requested)
        if self._asked:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            if not self.world.alone:
                self.world.abort(128 + number)
            self._raise(number)
        self.requested = number

    def _raise(self, number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SignalStop(number)
