"""Tables as bytes: how nncore writes them, so that each cell comes back as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_QUOTED = frozenset('",\r\n')


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """CSV text in UTF-8; file names that are not UTF-8 keep their own bytes.

    Quoted is what readers might take for the end of a line or cell, or for space around it: the
    csv module leaves a carriage return and outer spaces bare.
    """
    text = "".join(",".join(map(_cell, row)) + "\n" for row in rows)
    return text.encode("utf-8", "surrogateescape")


def _cell(text: str) -> str:
    if text == text.strip() and _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
