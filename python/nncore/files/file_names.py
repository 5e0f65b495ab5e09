"""Names of files as text and back, whatever the locale says.

Python reads names by the encoding of the locale. Nearly everywhere that is UTF-8; in the C locale
without Python's UTF-8 mode it is ASCII, and on old systems Latin-1, while the names are UTF-8 all
the same, and what nncore writes into tables and models must not depend on it.
"""

from __future__ import annotations

import os
import sys


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
