"""Which files the paths in a table mean, and what is nearly meant where there is none."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from nncore.data.pictures.decode import NO_SUCH_FILE
from nncore.data.skipped import SkippedFile
from nncore.files.file_names import as_path, as_text, relative
from nncore.files.home import at_home

Key = Callable[[str], str]  # equal for names that are taken for each other
_MOST_NAMED = 20
_MOST_FOLDERS = 200  # that are looked into for a file whose folder was left out


class TablePaths:
    """Finds the files that cells name, relative to a folder.

    Exactly the file of that name; else the one whose letters are composed another way (macOS
    unpacks "é" as two code points, keyboards type one), also where the parts of the path are
    separated as on Windows.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._names: dict[str, list[str]] = {}
        self._by_key: dict[tuple[str, Key], dict[str, list[str]]] = {}

    def find(self, cell: str) -> str:
        """The path of the file that a cell names; where there is none, the path as it stands."""
        stripped = cell.strip()
        as_written = os.path.join(self._base, stripped)
        # What nearly all are, told without asking the system.
        if cell == stripped and cell.isascii() and "\\" not in cell and cell[:2] != "~/":
            return as_written
        if stripped.startswith("~/"):
            return at_home(stripped)
        cell, stripped = as_path(cell), as_path(stripped)
        for text in (cell, stripped):  # a name may end in a space, and hold a backslash
            path = os.path.join(self._base, text)
            if os.path.lexists(path):
                return path
        for text in dict.fromkeys((stripped, stripped.replace("\\", "/"))):
            found = self._walk(text, _composed)
            if found is not None:
                return found
        return os.path.join(self._base, stripped)

    def near(self, path: str) -> str | None:
        """A file that may be meant by `path`, which `find` gave and which does not exist."""
        if os.path.lexists(path):  # a link that leads nowhere
            return None
        cell = relative(path, self._base or ".") if self._is_below(path) else path
        for candidate in self._candidates(cell.replace("\\", "/")):
            if os.path.isfile(candidate):
                return candidate
        return None

    def _candidates(self, cell: str) -> Iterator[str]:
        yield self._walk(cell, _loose) or ""
        steps = [step for step in cell.split("/") if step not in ("", ".")]
        for start in range(1, len(steps)):  # folders too many, as from another machine
            yield self._walk("/".join(steps[start:]), _loose) or ""
        yield cell  # relative to where the program was started, not to the table
        for folder in sorted(self._listed(self._base))[:_MOST_FOLDERS]:  # a folder too few
            yield os.path.join(self._base, folder, cell)
        yield self._walk(cell, _stem) or ""  # another format

    def _is_below(self, path: str) -> bool:
        return not self._base or path.startswith(os.path.join(self._base, ""))

    def _walk(self, text: str, key: Key) -> str | None:
        """The one path that equals `text` by the key of each part; None if there is none."""
        drive, text = os.path.splitdrive(text)
        where = drive + os.sep if drive or text.startswith("/") else self._base
        for step in text.split("/"):
            if step in ("", "."):
                continue
            inside = os.path.join(where, step)
            if step != ".." and not os.path.lexists(inside):
                same = self._alike(where, step, key)
                if len(same) != 1:
                    return None
                inside = os.path.join(where, same[0])
            where = inside
        return where

    def _alike(self, folder: str, step: str, key: Key) -> list[str]:
        names = self._by_key.get((folder, key))
        if names is None:
            names = self._by_key[folder, key] = {}
            for name in self._listed(folder):
                names.setdefault(key(name), []).append(name)
        return names.get(key(step), [])

    def _listed(self, folder: str) -> list[str]:
        if folder not in self._names:
            try:
                names = os.listdir(folder or ".")
            except (OSError, ValueError):
                names = []
            self._names[folder] = names
        return self._names[folder]


def with_near_ones(skipped: Sequence[SkippedFile], base: str) -> list[SkippedFile]:
    """The same, the first of those that do not exist with the file that may be meant."""
    places, named, looked = TablePaths(base), list(skipped), 0
    for position, file in enumerate(named):
        if file.reason != NO_SUCH_FILE or looked == _MOST_NAMED:
            continue
        looked += 1
        near = places.near(file.path)
        if near is not None:
            reason = f"{file.reason}; is {near} meant?"
            named[position] = replace(file, reason=reason)
    return named


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", as_text(name))


def _loose(name: str) -> str:
    """Letters without their case and their spaces' kinds."""
    return " ".join(unicodedata.normalize("NFKC", as_text(name)).casefold().split())


def _stem(name: str) -> str:
    return _loose(os.path.splitext(name)[0])
