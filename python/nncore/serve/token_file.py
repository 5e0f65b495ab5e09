"""The token that clients must show, from a file: a command line is seen by everybody."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_LONGEST = 4096
_SHORTEST = 16  # shorter ones can be guessed by trying
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Token:
    """The token, and what its owner should know of it."""

    text: str
    notes: tuple[str, ...]


def read_token(path: str) -> Token:
    """What is in the file, without white space around it.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It holds no token.
    """
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        text = file.read(_LONGEST).decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(text) or len(text) == _LONGEST:
        raise ValueError(
            f"{path}: holds no token: one word of letters and digits, such as "
            f"`openssl rand -hex 32 > {path}` makes"
        )
    notes = []
    if mode & 0o077 and os.name == "posix":  # elsewhere these bits say nothing
        notes.append(f"{path}: others on this machine may read the token (chmod 600)")
    if len(text) < _SHORTEST:
        notes.append(f"{path}: a token of {len(text)} letters can be guessed; take {_SHORTEST}")
    return Token(text, tuple(notes))
