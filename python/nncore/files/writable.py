"""Whether something can be written to a place, asked before the work of which it is the result."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from nncore.files.home import place


def check_file(path: str | os.PathLike[str]) -> None:
    """OSError if no file can be written at `path`, as writing would raise it; nothing is made."""
    target = place(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    _try(target.parent, target)


def check_folder(path: str | os.PathLike[str]) -> None:
    """OSError if nothing can be written into a folder at `path`, which may have to be made."""
    folder = place(path)
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    _try(there, there)


def _try(folder: Path, named: Path) -> None:
    # Asking for permissions is not enough: file systems can be read-only, and root may do anything.
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(named)) from None
