"""Cases of which none may take long or much memory, in a process of their own.

A test of many cases is a generator that yields what it has just tried: what happens from one to the
next is a case. The process is a new one, because a peak of memory is that of all it ever did.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

MOST_SECONDS = 2.0  # of the CPU: how busy the machine is does not matter
MOST_WAITING = 600.0  # whatever the reason: a busy machine may let it wait for a minute
MOST_MEMORY = 300e6

Cases = Generator[object, None, Any]


def run(cases: Callable[..., Cases], *arguments: Any) -> Any:
    """Try all cases; what the generator returns.

    Parameters
    ----------
    cases
        A generator of a module that can be imported; `arguments` and what it returns can be
        pickled.
    """
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawning) as pool:
        return pool.submit(_watched, cases, arguments).result()


def _watched(cases: Callable[..., Cases], arguments: tuple[Any, ...]) -> Any:
    trying = cases(*arguments)
    while True:
        begun = time.process_time()
        faulthandler.dump_traceback_later(MOST_WAITING, exit=True)
        try:
            tried = next(trying)
        except StopIteration as end:
            return end.value
        finally:
            faulthandler.cancel_dump_traceback_later()
        seconds, memory = time.process_time() - begun, _peak()
        # First: some systems need seconds to find so much.
        assert memory < MOST_MEMORY, f"{tried}: {memory / 1e6:.0f} MB"
        assert seconds < MOST_SECONDS, f"{tried}: {seconds:.1f} s"


def _peak() -> float:
    """Bytes of this process at most; 0 where nobody tells."""
    if sys.platform != "linux":
        return 0.0
    # Not ru_maxrss, which a process takes over from its parent.
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return float(found[1]) * 1024 if found else 0.0
