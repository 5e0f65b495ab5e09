"""How many threads a worker of joblib, loky or Dask may use, without a word from anybody."""

from __future__ import annotations

import multiprocessing
import os

from nncore.process.runtime import get_num_threads, set_num_threads

_SAID_TO_NNCORE, _SAID_TO_ALL = "NNCORE_NUM_THREADS", "OMP_NUM_THREADS"


def keep_to_the_share_of_this_worker() -> None:
    """Use no more threads than ``OMP_NUM_THREADS`` says: loky and Dask set it in their processes,
    so that together these have one thread per CPU. Without it, one in a worker of a
    `multiprocessing.Pool`, which are daemons. ``NNCORE_NUM_THREADS`` counts more than either.

    No result depends on it. Threads of one process, as of joblib's threading backend, share the
    CPUs by themselves: the core uses fewer where more do not pay.
    """
    if os.environ.get(_SAID_TO_NNCORE):
        return
    said = os.environ.get(_SAID_TO_ALL, "").strip()
    if said.isascii() and said.isdigit():
        share = int(said)
    elif multiprocessing.current_process().daemon:
        share = 1
    else:
        return
    if 1 <= share < get_num_threads():
        set_num_threads(share)
