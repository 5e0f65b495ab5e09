"""What nncore wrote is told from what people keep: a marker in every folder that it makes.

People train in the folder of their pictures; what then lies beside the classes must not become one.
A folder is marked only if nncore made it or found it empty: one that holds what people put there
stays theirs, whatever is written into it. Charts carry their mark within (`SOFTWARE`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nncore.files.atomic import atomic_write_text
from nncore.files.home import place
from nncore.files.regular_files import read_regular

MARKER = ".nncore"
LOCK = ".nncore.lock"
"""What a run locks on systems where folders cannot be locked."""
SOFTWARE = "nncore"
"""What charts name as the program that made them, where their format can say so."""
LEFT_OUT = "was written by nncore"

RUN_FILES = (
    "config.toml",
    "resume.json",
    "classes.csv",
    "split.csv",
    "skipped.csv",
    "features.onnx",
    "augmented.png",
    "best.safetensors",
    "last.safetensors",
    "history.csv",
    "loss.png",
    "accuracy.png",
    "report.json",
    "confusion.png",
    "mistakes.png",
    "provenance.json",
    "report.html",
    MARKER,
)
"""The names of what a training leaves behind in its folder."""

_ALL = b"All files in this folder were written by nncore"
_FOLDERS = b"nncore keeps folders of its own in this one"
_ADVICE = ", so it looks for no pictures here. If it is to do so, remove this file.\n"
_LOCK = re.compile(r".+-[0-9a-f]{20}\.lock")
_LEVELS = 4  # of folders in folders that hold nothing else
# Runs and reports of before there was a marker have these, and nothing that is no file of a run.
_UNMARKED = ({"config.toml", "classes.csv", "split.csv"}, {"report.json", "confusion.png"})


def make_own_folder(path: str | os.PathLike[str], mode: int = 0o777) -> None:
    """Make a folder in which nncore writes all files.

    Raises
    ------
    OSError
        It cannot be made or written.
    """
    _make(place(path), mode, _ALL)


def make_home(path: str | os.PathLike[str], mode: int = 0o777) -> None:
    """Make a folder in which nncore makes folders of its own, and perhaps others do, too.

    Raises
    ------
    OSError
        It cannot be made or written.
    """
    _make(place(path), mode, _FOLDERS)


def mark_own_folder(path: str | os.PathLike[str]) -> None:
    """Mark a folder of which it is known that nncore alone writes into it."""
    _mark(Path(path), _ALL)


def is_empty(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds nothing, or marker and lock alone."""
    with os.scandir(path) as entries:
        return all(entry.name in (MARKER, LOCK) for entry in entries)


def is_own_folder(path: str, files: Iterable[str] | None = None, levels: int = _LEVELS) -> bool:
    """Whether all that a folder holds was written by nncore.

    `files` are the names of all that it holds, if they are known and none is hidden.
    """
    if files is not None:
        return _looks_own(set(files))
    marker = _marker(path)
    if marker.startswith(_ALL):
        return True
    try:
        with os.scandir(path) as entries:
            return _holds_own(entries, marker.startswith(_FOLDERS), levels)
    except OSError:
        return False  # whoever reads it says why


def is_own_file(path: str) -> bool:
    """Whether a file is the lock of a cache."""
    return _LOCK.fullmatch(os.path.basename(path)) is not None and os.path.getsize(path) == 0


def _holds_own(entries: Iterator[os.DirEntry[str]], home: bool, levels: int) -> bool:
    """Whether there are folders of nncore and nothing else; in its own place there may be none."""
    names = set()
    for entry in entries:
        if entry.name.startswith(".") or _LOCK.fullmatch(entry.name):
            continue
        if not entry.is_dir(follow_symlinks=False):
            names.add(entry.name)
        elif levels and is_own_folder(entry.path, levels=levels - 1):
            home = True
        else:
            return False
    return _looks_own(names) if names else home


def _looks_own(names: set[str]) -> bool:
    return names.issubset(RUN_FILES) and any(some <= names for some in _UNMARKED)


def _marker(path: str) -> bytes:
    try:
        return read_regular(os.path.join(path, MARKER), 1 << 12)
    except OSError:
        return b""


def _make(path: Path, mode: int, says: bytes) -> None:
    path.mkdir(mode, parents=True, exist_ok=True)
    if is_empty(path):
        _mark(path, says)


def _mark(path: Path, says: bytes) -> None:
    if not _marker(str(path)).startswith(says):
        atomic_write_text(path / MARKER, says.decode() + _ADVICE)
