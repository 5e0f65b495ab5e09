"""From an exception to an exit code and one line on standard error.

0 done, 1 failure, 2 usage, 3 bad data, 4 bad model file, 5 quality gate missed, 130 interrupted,
143 and 129 ended by SIGTERM and SIGHUP.
"""

from __future__ import annotations

import os

from nncore.cli.output import (
    ReaderGoneError,
    StandardOutputError,
    abandon_stdout,
    write_error,
)
from nncore.errors import DataError, ModelFileError, NncoreError

DONE, FAILURE, USAGE, BAD_DATA, BAD_MODEL_FILE, GATE_MISSED = range(6)
INTERRUPTED = 130


class UsageError(Exception):
    """The command line itself is wrong."""


def report(error: BaseException) -> int:
    """Print the line for `error`, unless nobody wanted to read on, and return its exit code.

    The environment variable NNCORE_DEBUG=1 adds the traceback.
    """
    if os.environ.get("NNCORE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    if isinstance(error, StandardOutputError):
        abandon_stdout()
    code, message = describe(error)
    # Who looks at the beginning only wants no complaint behind it; the exit code says enough.
    if not isinstance(error, ReaderGoneError):
        write_error(message)
    return code


def interrupted_by(number: int | None) -> int:
    """The exit code of what a signal ended; None stands for Ctrl-C."""
    return INTERRUPTED if number is None else 128 + number


def describe(error: BaseException) -> tuple[int, str]:
    """Exit code and message of an exception."""
    message = str(error)
    if isinstance(error, KeyboardInterrupt):
        # SIGTERM and SIGHUP have a number.
        return interrupted_by(getattr(error, "number", None)), message or "interrupted"
    if isinstance(error, UsageError):
        return USAGE, message
    if isinstance(error, ModelFileError):  # before OSError: a missing one is both
        return BAD_MODEL_FILE, message
    if isinstance(error, DataError):
        return BAD_DATA, message
    if isinstance(error, StandardOutputError):
        return FAILURE, message
    if isinstance(error, MemoryError):
        advice = "use a smaller --size, --width or --hidden, or fewer images"
        return FAILURE, f"not enough memory: {advice}"
    if isinstance(error, OSError):
        reason = error.strerror or message or type(error).__name__
        return FAILURE, f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason
    if isinstance(error, (NncoreError, ImportError)):
        return FAILURE, message
    if isinstance(error, ValueError):  # what the Python layer raises for a wrong argument
        return USAGE, message
    kind = type(error).__name__
    return FAILURE, f"unexpected {kind}: {message} (NNCORE_DEBUG=1 shows where; please report it)"
