"""The core that is installed, and how many threads it may use."""

from __future__ import annotations

from typing import Any

_chosen = False  # whether somebody has said how many threads there are to be


def info() -> dict[str, Any]:
    """Describe the installed core.

    Returns
    -------
    dict
        ``version``; ``isa`` (instruction set in use); ``isas`` (all that this machine can run, by
        the names that the environment variable ``NNCORE_ISA`` takes, best first); ``threads``;
        ``openmp`` (None: threads are nncore's own); ``zlib`` and ``libjpeg`` (versions, or None
        when built without; with them, of which libjpeg is libjpeg-turbo, PNG and JPEG files are
        read faster); ``compiler``.
    """
    from nncore import _core

    return _core.info()


def get_num_threads() -> int:
    """Return how many threads nncore may use."""
    from nncore import _core

    return _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Set how many threads nncore may use; results do not depend on it, bit for bit.

    The default is the number of CPUs that this process may use (affinity and cgroup quota), or the
    environment variable ``NNCORE_NUM_THREADS``.

    Raises
    ------
    ValueError
        `threads` is not from 1 to 1024.
    """
    from nncore import _core

    global _chosen
    _core.set_num_threads(threads)
    _chosen = True


def share_threads(share: float) -> None:
    """Use only this share of the threads, at least one, unless somebody has said how many."""
    import os

    from nncore import _core

    if not _chosen and not os.environ.get("NNCORE_NUM_THREADS"):
        _core.set_num_threads(max(1, int(share * _core.get_num_threads() + 1e-9)))


def environment() -> dict[str, Any]:
    """Describe the machine and what is installed around the core, for reports of bugs.

    Returns
    -------
    dict
        ``python``; ``platform``; ``processor`` (its name, where the system tells it); ``cpus``
        (that this process may use); ``packages`` (versions of what nncore needs or can use; None:
        not installed).
    """
    import os
    import platform

    usable = getattr(os, "sched_getaffinity", None)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor() or platform.processor() or None,
        "cpus": len(usable(0)) if usable is not None else os.cpu_count(),
        "packages": _packages(),
    }


def _processor() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = (line.partition(":")[2].strip() for line in file if "model name" in line)
            return next(found, None)
    except OSError:
        return None


def _packages() -> dict[str, str | None]:
    """Versions of the packages that the installed nncore names, its own extras' included."""
    import re
    from importlib import metadata

    try:
        wanted = metadata.requires("nncore") or []
    except metadata.PackageNotFoundError:  # run from its sources
        return {}
    names = {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in wanted} - {"nncore"}
    versions: dict[str, str | None] = {}
    for name in sorted(names, key=str.lower):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions
