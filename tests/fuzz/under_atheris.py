"""What reads strangers' bytes in Python, given any bytes: run by Atheris, which looks for inputs
that reach lines of nncore that none reached before (`pip install atheris`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def fuzz(make_target: Callable[[Path], Callable[[bytes], object]]) -> None:
    """Give what libFuzzer makes up to a target, until it raises.

    Parameters
    ----------
    make_target
        Imports what is to be looked at and makes the target, which may write in a folder.
    """
    import atheris  # not needed to run the corpus

    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        with atheris.instrument_imports(include=["nncore"]):
            target = make_target(Path(folder))
        atheris.Setup(sys.argv, target)
        atheris.Fuzz()


def _memory() -> str | None:
    """A place in memory, where there is one: thousands of files a second are written."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
