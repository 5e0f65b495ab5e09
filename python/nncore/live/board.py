"""What a page shows of a training: sections that are replaced, and rows that are added to.

The training writes and never waits; whoever shows it reads what is new to him.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass
class Seen:
    """How much of a board somebody has seen."""

    sections: dict[str, int] = field(default_factory=dict)
    generation: int = 0
    rows: int = 0


class Board:
    """Sections by name, and the rows of a table that grows; safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sections: dict[str, tuple[int, Any]] = {}
        self._version = 0
        self._generation = 0
        self._rows: list[Mapping[str, Any]] = []
        self._closed = False
        self._watching = 0
        self.watched = False
        """Whether anybody has ever looked."""

    def put(self, name: str, value: Any) -> None:
        """Replace a section. `value` is plain: what JSON can hold, and not changed afterwards."""
        with self._changed:
            self._version += 1
            self._sections[name] = self._version, value
            self._changed.notify_all()

    def get(self, name: str) -> Any:
        """A section as it is now; None where there is none."""
        with self._changed:
            return self._sections.get(name, (0, None))[1]

    def start_rows(self, rows: Rows = ()) -> None:
        """Begin the table anew."""
        with self._changed:
            self._generation += 1
            self._rows = list(rows)
            self._changed.notify_all()

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Append to the table."""
        with self._changed:
            self._rows.append(row)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing comes any more: who waits need not."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def news(self, seen: Seen, timeout: float) -> dict[str, Any]:
        """What `seen` lacks, which it then has; empty where nothing came in so many seconds.

        Rows come as ``{"rows": {"from": index of the first, "rows": [...]}}``: those from there on
        are to be replaced.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_new(seen), timeout)
            found = {}
            for name, (version, value) in self._sections.items():
                if seen.sections.get(name) != version:
                    seen.sections[name] = version
                    found[name] = value
            if seen.generation != self._generation:
                seen.generation, seen.rows = self._generation, 0
                found["rows"] = {"from": 0, "rows": list(self._rows)}
            elif seen.rows < len(self._rows):
                found["rows"] = {"from": seen.rows, "rows": self._rows[seen.rows :]}
            seen.rows = len(self._rows)
            return found

    def _is_new(self, seen: Seen) -> bool:
        if seen.generation != self._generation or seen.rows < len(self._rows):
            return True
        return any(seen.sections.get(name) != at for name, (at, _) in self._sections.items())

    # -- who looks

    @property
    def watching(self) -> int:
        """How many look just now: nothing has to be drawn for nobody."""
        return self._watching

    def __enter__(self) -> Board:
        """Somebody looks from now on."""
        with self._changed:
            self._watching += 1
            self.watched = True
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._watching -= 1
