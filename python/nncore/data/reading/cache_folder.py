"""The folder of a cache, whatever is kept in it: where it lies, who may write, what has to go.

It has one folder per entry, each with a manifest that names what belongs to it, and beside it a
lock of the same name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nncore.files.atomic import atomic_write_bytes
from nncore.files.locks import lock
from nncore.files.regular_files import read_regular

LIMIT_BYTES = 16 << 30  # of all data sets in a cache; those used longest ago go first
MANIFEST = "manifest.json"

_LARGEST_MANIFEST = 1 << 30  # bytes
_LOCK_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0  # of waiting before it is told; then again after four times as long each


class CacheError(Exception):
    """The cache cannot be used; the message says why. The images can still be read."""


def default_cache_folder() -> Path:
    """Where caches of a user's programs are kept: ``$XDG_CACHE_HOME/nncore`` or
    ``~/.cache/nncore``, ``~/Library/Caches/nncore`` on macOS, ``%LOCALAPPDATA%\\nncore\\Cache`` on
    Windows.

    Raises
    ------
    CacheError
        The user has no home.
    """
    try:
        return _default_cache_folder()
    except RuntimeError as error:  # in a container: neither HOME nor an entry of passwd
        raise CacheError(f"there is no place for a cache ({error}): set XDG_CACHE_HOME") from None


def _default_cache_folder() -> Path:
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

    Who waits for long is told so by warnings, and in the end for how long it was.

    The system lets go of it when the process ends, however it ends. Where files cannot be locked
    nothing is lost but work: every process renames whole files into place.
    """
    descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        begun, patience = time.monotonic(), _PATIENCE_SECONDS
        while True:
            try:
                lock(descriptor)
                break
            except BlockingIOError:
                if not wait:
                    raise CacheError(f"{folder}: in use by another process") from None
                time.sleep(_LOCK_POLL_SECONDS)
                waited = time.monotonic() - begun
                if waited >= patience:
                    patience = 4 * patience
                    _tell(folder, f"waiting for another process, {waited:.0f} s so far")
        if patience > _PATIENCE_SECONDS:
            waited = time.monotonic() - begun
            _tell(folder, f"waited {waited:.0f} s for another process")
        yield
    finally:
        os.close(descriptor)


def _tell(folder: Path, what: str) -> None:
    """A warning about a wait, at the call of whoever asked for the data."""
    warnings.warn(f"{folder}: {what}, which writes this part of the cache", stacklevel=2)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of an entry, with a digest of it all: it decides what a cache holds."""
    text = json.dumps(dict(manifest))
    atomic_write_bytes(folder / MANIFEST, _sealed(text[1:].encode()))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `write_manifest` wrote.

    Raises
    ------
    OSError, ValueError
        There is none, or a byte of it is damaged, or it is of before there was a digest.
    """
    data = read_regular(folder / MANIFEST, _LARGEST_MANIFEST)
    rest = data[len(_sealed(b"")) :]
    if data != _sealed(rest):
        raise ValueError(f"{folder / MANIFEST}: damaged")
    manifest: dict[str, Any] = json.loads(b"{" + rest)
    return manifest


def _sealed(rest: bytes) -> bytes:
    digest = hashlib.blake2b(rest, digest_size=16).hexdigest()
    return f'{{"digest": "{digest}", '.encode() + rest


def forget(folder: Path) -> None:
    """Make an entry nothing, so that it is made anew."""
    with contextlib.suppress(OSError):
        (folder / MANIFEST).unlink()


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
