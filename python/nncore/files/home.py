"""`~` at the beginning of a path: the home folder, though no shell has replaced it.

bash leaves it in ``--output=~/runs``, and no shell stands between Python and ``cache="~/pixels"``.
"""

from __future__ import annotations

import os
from pathlib import Path


def at_home(path: str | os.PathLike[str]) -> str:
    """The path as text, ``~`` and ``~/...`` (and ``~user``, if there is one) replaced.

    ``./~`` is a folder of that name; a name that only begins with ``~`` stays what it is.

    Raises
    ------
    ValueError
        The user has no home folder.
    """
    text = os.fspath(path)
    if not isinstance(text, str) or not text.startswith("~"):
        return text
    there = os.path.expanduser(text)
    if there.startswith("~") and text.replace("\\", "/").split("/")[0] == "~":
        raise ValueError(f"{text}: this user has no home folder; write the whole path")
    return there


def place(path: str | os.PathLike[str]) -> Path:
    """`at_home` as a Path."""
    return Path(at_home(path))
