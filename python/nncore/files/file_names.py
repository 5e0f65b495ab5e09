"""Names of files as text and back, whatever the locale says, and from one system to another.

Python reads names by the encoding of the locale. Nearly everywhere that is UTF-8; in the C locale
without Python's UTF-8 mode it is ASCII, and on old systems Latin-1, while the names are UTF-8 all
the same, and what nncore writes into tables and models must not depend on it. Windows has drives,
separators of its own, and names that no file can have.
"""

from __future__ import annotations

import os
import re
import sys

_DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])( *\..*)?", re.IGNORECASE)
_NOT_IN_NAMES = '<>:"/\\|?*'


def as_text(name: str) -> str:
    """A name that the system gave, as UTF-8 says it."""
    if sys.getfilesystemencoding() == "utf-8" or name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def as_path(text: str) -> str:
    """A path that stands in a file, as the system's functions take it."""
    if sys.getfilesystemencoding() == "utf-8" or text.isascii():
        return text
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def joined_bytes(text: str) -> str:
    """Words with names in them that were read byte by byte: what is UTF-8 becomes letters."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def as_cell(path: str) -> str:
    """A path as tables have it: slashes between its parts, which every system understands."""
    text = as_text(path)
    return text.replace("\\", "/") if os.name == "nt" else text


def relative(path: str, start: str) -> str:
    """From the folder `start` to `path`; the whole path where that lies on another drive."""
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return os.path.abspath(path)


def refused_name(name: str) -> str | None:
    """Why nothing can have a name on this system, though others know it; None if it can."""
    if os.name != "nt":
        return None
    odd = [letter for letter in name if letter in _NOT_IN_NAMES or letter < " "]
    if odd:
        return f"Windows has no {odd[0]!r} in names"
    if name[-1] in ". ":
        return "on Windows no name ends in a dot or a space"
    if _DEVICES.fullmatch(name):
        return "on Windows this is the name of a device"
    return None
