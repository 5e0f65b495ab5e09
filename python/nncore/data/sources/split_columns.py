"""Columns of a table that hold parts of a split under another name than ``split``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nncore.data.labels.parts import FolderName

_MOST_WORDS = 8  # more different words are no parts


class SplitColumns:
    """Looks at the columns that are not used, line by line.

    A table with `Usage` or `subset` comes with a split that its maker meant to be kept; to train
    on its test images in silence would make every accuracy wrong.
    """

    def __init__(self, used: Collection[str]) -> None:
        self._used = used
        self._words: dict[str, set[str]] = {}
        self._split = False

    def see(self, cells: Mapping[str, str]) -> None:
        """One line: its cells by column."""
        self._split = self._split or "split" in cells
        for column, cell in cells.items():
            if column not in self._used:
                words = self._words.setdefault(column, set())
                if len(words) <= _MOST_WORDS:
                    words.add(cell.strip())

    def notes(self, file: object) -> list[str]:
        """What a person should know of the table `file`."""
        return [
            f"{file}: the column {column!r} looks like a split ({', '.join(sorted(words))}), but "
            "is not used; if it is one, call it split, with train, val or test in each line"
            for column, words in self._words.items()
            if not self._split and _are_parts(words)
        ]


def _are_parts(words: Collection[str]) -> bool:
    if not 2 <= len(words) <= _MOST_WORDS:
        return False
    parts = {FolderName.of(word).part for word in words}
    return None not in parts and "train" in parts and len(parts) > 1
