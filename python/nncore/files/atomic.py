"""Write a file so that a reader finds either the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

from nncore.files.home import place

_SUFFIX = ".part"
_LONGEST = 200  # bytes of a name; with what is added it must stay below 255
_STALE_SECONDS = 3600
_PATIENCE_SECONDS = 5.0  # with programs that have the old file open


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, sync it and rename it onto `path`.

    Raises
    ------
    OSError
        The directory is missing or not writable, or the disk is full; `path` is untouched, and the
        error's `filename` is `path`.
    """
    target = place(path)
    try:
        _write_and_rename(target, data)
    except OSError as error:
        if error.errno is None:
            raise
        # The reader of the message knows the target, not the temporary file.
        raise OSError(error.errno, error.strerror, str(target)) from error


def _write_and_rename(target: Path, data: bytes) -> None:
    prefix = _prefix(target.name)
    _sweep(target.parent, prefix)
    descriptor, temporary = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; give the result the mode that open() would have given it.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        _replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _replace(temporary: str, target: Path) -> None:
    """Rename onto `target`. On Windows nobody can as long as a program has the old file open, which
    those that look for viruses or make indexes do for moments: there it is tried again."""
    begun, pause = time.monotonic(), 0.01
    while True:
        try:
            return os.replace(temporary, target)
        except PermissionError:
            if os.name != "nt" or time.monotonic() - begun > _PATIENCE_SECONDS:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.25)


def _prefix(name: str) -> str:
    """What temporary files for a target begin with; names that are as long as may be fit, too."""
    if len(os.fsencode(name)) <= _LONGEST:
        return f".{name}."
    digest = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
    return f".{digest}."


def _sweep(folder: Path, prefix: str) -> None:
    """Remove what writers that were killed have left: a living one needs no such time."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS:
                        os.unlink(entry.path)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """UTF-8 form of `atomic_write_bytes`, with line ends as they stand in `text`."""
    atomic_write_bytes(path, text.encode("utf-8"))
