"""The core that is installed, and how many threads it may use."""

from __future__ import annotations

from typing import Any


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

    _core.set_num_threads(threads)
