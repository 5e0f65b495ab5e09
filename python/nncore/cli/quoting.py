"""Commands as they are typed: quoted as the shell of this system asks for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable


def joined(words: Iterable[str]) -> str:
    """Words as one command."""
    if os.name == "nt":
        import subprocess  # help does without it

        return subprocess.list2cmdline(words)
    return shlex.join(words)


def quoted(word: str) -> str:
    """One word of a command."""
    return joined([word])
