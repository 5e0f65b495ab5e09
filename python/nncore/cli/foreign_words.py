"""What Python and other packages say while a verb works: told as a line of nncore's own, once."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.cli.output import Output

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def framed(out: Output) -> Iterator[None]:
    """Within it Python's warnings, and log records from the level of a warning on, become lines by
    `out`; with --quiet only the warnings of nncore do."""
    said: set[str] = set()

    def tell(message: str, own: bool) -> None:
        line = " ".join(message.split())
        if line not in said and (own or not out.quiet):
            said.add(line)
            out.warn(line)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage(), own=False)

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        tell(str(message), own=os.path.abspath(filename).startswith(_OWN + os.sep))

    handler, root = Handler(logging.WARNING), logging.getLogger()
    with warnings.catch_warnings():
        # Not only the first of each line of code: pictures and models differ.
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
