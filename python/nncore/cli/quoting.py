"""Commands as they are typed: quoted as the shell of this system asks for."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable


def joined(words: Iterable[str]) -> str:
    """Words as one command."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def quoted(word: str) -> str:
    """One word of a command."""
    return joined([word])
