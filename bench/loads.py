"""Other programs, so that a machine is busy in a way that is known: started here, always ended.

Each load is a process or several, which end with the `with` statement, and by themselves once this
process is gone, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from cpu_quota import quota

# The parent's death ends it within a quarter of a second.
_SPIN = """
import os, sys, threading, time
parent, nice = map(int, sys.argv[1:])
os.nice(nice)
def watch():
    while os.getppid() == parent:
        time.sleep(0.25)
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
print("spinning", flush=True)
while True:
    sum(range(1000))
"""


@contextlib.contextmanager
def spinning(cpus: set[int], count: int = 1, nice: int = 0) -> Iterator[list[int]]:
    """So many processes that do nothing but compute, on these CPUs; their numbers."""
    processes: list[subprocess.Popen[bytes]] = []
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)  # children inherit it
        try:
            for _ in range(count):
                arguments = [str(os.getpid()), str(nice)]
                command = [sys.executable, "-c", _SPIN, *arguments]
                processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        finally:
            os.sched_setaffinity(0, before)
        for process in processes:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("a load ended before it began")
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No load."""
    yield


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """A busy loop on the last of the CPUs."""
    with spinning({max(os.sched_getaffinity(0))}):
        yield


@contextlib.contextmanager
def niced() -> Iterator[None]:
    """A process for each CPU, free to move, that gives way to others (nice 19)."""
    usable = os.sched_getaffinity(0)
    with spinning(usable, len(usable), nice=19):
        yield


@contextlib.contextmanager
def stopped() -> Iterator[None]:
    """A neighbour that is stopped in the middle of its work."""
    with spinning(os.sched_getaffinity(0)) as numbers:
        for number in numbers:
            os.kill(number, signal.SIGSTOP)
        yield


@contextlib.contextmanager
def quota_of_three_halves() -> Iterator[None]:
    """No other program: this one and its children get 1.5 CPUs, as containers do."""
    with quota(1.5) as group:
        group.add_process(os.getpid())
        yield


LOADS = {
    "quiet": quiet,
    "pinned": pinned,
    "niced": niced,
    "stopped": stopped,
    "quota": quota_of_three_halves,
}
