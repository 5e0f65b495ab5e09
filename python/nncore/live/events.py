"""One open page that is kept up to date, by server-sent events.

Each event is a JSON object of the sections of the board that are new to this page. Who reads slowly
gets fewer events, not later ones: what he missed has been replaced meanwhile.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any, Protocol

from nncore.live.board import Board, Seen

# Two events a second are enough to watch, and cost the training nothing that can be measured.
_BETWEEN = 0.5
# After so long without news a sign of life, by which either side sees that the other is gone.
_SILENCE = 5.0
# After so many milliseconds a browser that lost the connection tries again.
_RETRY = 1000


class Writer(Protocol):
    """Where events go."""

    def write(self, data: bytes, /) -> object: ...

    def flush(self) -> object: ...


def stream(board: Board, out: Writer) -> None:
    """Tell `out` all that is on the board and all that comes, until the board is closed.

    Raises
    ------
    OSError
        Nobody reads any more.
    """
    seen = Seen()
    _write(out, f"retry: {_RETRY}\n\n")
    while True:
        closed = board.closed  # asked before, so that what came just before the end is told
        found = board.news(seen, _SILENCE)
        if found:
            _write(out, f"data: {as_json(found)}\n\n")
        if closed:
            break
        if board.closed:
            continue
        if not found:
            _write(out, "event: alive\ndata: {}\n\n")
            continue
        time.sleep(_BETWEEN)
    # Without it the page would take the end for a lost connection.
    _write(out, "event: end\ndata: {}\n\n")


def as_json(value: Any) -> str:
    """Strict JSON on one line, in ASCII; numbers that are not finite become null."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _write(out: Writer, text: str) -> None:
    out.write(text.encode("ascii"))
    out.flush()
