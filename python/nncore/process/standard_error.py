"""Standard error for what nobody has to read: whatever becomes of it, the work goes on.

It may be missing, closed, replaced by an object of little ability, full, or without its reader;
what a program says of its progress must not be able to end hours of training.
"""

from __future__ import annotations

import contextlib
import sys


class StandardError:
    """`sys.stderr` as it is just now, whose failures are nobody's."""

    @property
    def encoding(self) -> str:
        """Of the stream, where it has one."""
        return getattr(sys.stderr, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(Exception):
            shown = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            sys.stderr.write(shown)
        return len(text)

    def flush(self) -> None:
        """Flush it if it can be."""
        with contextlib.suppress(Exception):
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether a person watches."""
        try:
            return bool(sys.stderr.isatty())
        except Exception:
            return False

    def fileno(self) -> int:
        """By which the width of a terminal is asked; OSError where there is none."""
        try:
            return int(sys.stderr.fileno())
        except Exception as error:
            raise OSError("standard error is no file") from error


STANDARD_ERROR = StandardError()
