"""`*.jpg` where no shell has replaced it: those of Windows leave it to the program."""

from __future__ import annotations

import os
from collections.abc import Iterable


def expanded(words: Iterable[str]) -> list[str]:
    """On Windows patterns become the files that they match, sorted; those that match nothing stay,
    as in bash, and so do flags and files that are named like a pattern."""
    if os.name != "nt":
        return list(words)
    import glob

    found: list[str] = []
    for word in words:
        is_pattern = any(letter in word for letter in "*?") and not word.startswith("-")
        files = sorted(glob.glob(word)) if is_pattern and not os.path.lexists(word) else []
        found += files or [word]
    return found
