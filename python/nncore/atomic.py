"""Write a file so that a reader finds either the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, sync it and rename it onto `path`.

    Raises
    ------
    OSError
        The directory is missing or not writable, or the disk is full; `path` is untouched, and the
        error's `filename` is `path`.
    """
    target = Path(path)
    try:
        _write_and_rename(target, data)
    except OSError as error:
        if error.errno is None:
            raise
        # The reader of the message knows the target, not the temporary file.
        raise OSError(error.errno, error.strerror, str(target)) from error


def _write_and_rename(target: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; give the result the mode that open() would have given it.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """UTF-8 form of `atomic_write_bytes`, with line ends as they stand in `text`."""
    atomic_write_bytes(path, text.encode("utf-8"))
