"""Signals that ask the program to end: Ctrl-C, SIGTERM and SIGHUP as one kind of exception."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class SignalStop(KeyboardInterrupt):
    """A signal other than Ctrl-C asks the program to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


def raise_stop(number: int, frame: FrameType | None) -> None:
    """A signal handler: end as after Ctrl-C."""
    raise SignalStop(number)


def stopping_signal(error: KeyboardInterrupt) -> int:
    """Which signal it was."""
    return error.number if isinstance(error, SignalStop) else int(signal.SIGINT)


# SIGHUP is what a terminal that is closed sends, SIGBREAK what Windows does then and at Ctrl-Break;
# no system has both.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """While entered, SIGTERM and SIGHUP raise `SignalStop`, and Ctrl-C KeyboardInterrupt.

    One that is ignored, as SIGHUP is under nohup, or has a handler already, stays as it is.
    """
    main = threading.current_thread() is threading.main_thread()
    taken = [number for number in ENDING if main and signal.getsignal(number) is signal.SIG_DFL]
    try:
        if main and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # while nncore was imported
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in taken:
            signal.signal(number, raise_stop)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
