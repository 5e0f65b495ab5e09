"""The folder of a cache, whatever is kept in it: where it lies, who may write, what has to go.

It has one folder per entry, each with a manifest that names what belongs to it, and beside it a
lock of the same name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT_BYTES = 16 << 30  # of all data sets in a cache; those used longest ago go first
MANIFEST = "manifest.json"

_LOCK_POLL_SECONDS = 0.05


class CacheError(Exception):
    """The cache cannot be used; the message says why. The images can still be read."""


def default_cache_folder() -> Path:
    """Where caches of a user's programs are kept: ``$XDG_CACHE_HOME/nncore`` or
    ``~/.cache/nncore``, ``~/Library/Caches/nncore`` on macOS, ``%LOCALAPPDATA%\\nncore\\Cache`` on
    Windows."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(local) / "nncore" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "nncore"
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path is invalid and must be ignored.
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return base / "nncore"


@contextlib.contextmanager
def locked(folder: Path, wait: bool) -> Iterator[None]:
    """Hold the lock of an entry; CacheError if another process does and `wait` is False.

    The system lets go of it when the process ends, however it ends. Where files cannot be locked
    nothing is lost but work: every process renames whole files into place.
    """
    descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise CacheError(f"{folder}: in use by another process") from None
                time.sleep(_LOCK_POLL_SECONDS)
            except OSError:
                break  # a file system without locks
        yield
    finally:
        os.close(descriptor)


def evict(cache: Path, keep: Path) -> None:
    """Remove the data sets used longest ago until the cache is within its limit."""
    entries = []
    for manifest in cache.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError):
            folder = manifest.parent
            size = sum(path.stat().st_size for path in folder.iterdir())
            entries.append((folder != keep, manifest.stat().st_mtime_ns, size, folder))
    total = sum(size for _, _, size, _ in entries)
    for removable, _, size, folder in sorted(entries, key=lambda entry: entry[:2]):
        if total <= LIMIT_BYTES:
            return
        if not removable:
            continue
        with contextlib.suppress(OSError, CacheError), locked(folder, wait=False):
            (folder / MANIFEST).unlink()  # first: without it the rest is nothing
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def cannot_write(place: Path, error: OSError) -> CacheError:
    """The error of a cache that cannot be written."""
    return CacheError(f"{place}: the cache cannot be written: {error.strerror or error}")
