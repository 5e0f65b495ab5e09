"""Threads that load files while the caller puts the results where they belong."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from nncore.arguments import check_int
from nncore.process.runtime import get_num_threads

Progress = Callable[[int, int], object]

_Result = TypeVar("_Result")

_FILES_PER_TASK = 32
_TASKS_AHEAD = 4  # per thread
# What the core decodes needs no interpreter lock. Of other files of less than about this size,
# opening costs more than decoding, and a second thread makes the whole slower.
_NAMES = {"zlib": (".png",), "libjpeg": (".jpg", ".jpeg")}
_BYTES_WORTH_A_THREAD = 4096


def default_workers() -> int:
    """CPUs that this process may use, and no more than nncore's threads (`--threads`)."""
    threads = get_num_threads()
    if hasattr(os, "sched_getaffinity"):
        return min(threads, len(os.sched_getaffinity(0)))
    return min(threads, os.cpu_count() or 1)


def for_each(
    paths: Sequence[str],
    load: Callable[[int, int], _Result],
    put: Callable[[int, _Result], object],
    workers: int | None,
    progress: Progress | None,
) -> None:
    """`load` of every range of positions, by `workers` threads; `put` of its start and the result,
    in order, by the calling thread."""
    if workers is None:
        workers = default_workers() if _mean_work(paths) >= _BYTES_WORTH_A_THREAD else 1
    workers = check_int("workers", workers, 1)

    def stop_of(start: int) -> int:
        return min(start + _FILES_PER_TASK, len(paths))

    def run(start: int) -> _Result:
        return load(start, stop_of(start))

    starts = range(0, len(paths), _FILES_PER_TASK)
    threads = min(workers, len(starts))
    with contextlib.closing(in_order(starts, run, threads, "nncore-decode")) as results:
        for start, result in results:
            put(start, result)
            if progress is not None:
                progress(stop_of(start), len(paths))


def in_order(
    starts: Sequence[int], run: Callable[[int], _Result], threads: int, name: str
) -> Generator[tuple[int, _Result], None, None]:
    """Each of `starts` with what `run` gives for it, by that many threads of that name.

    Where the system gives no more threads, the calling one does the rest.
    """
    if threads <= 1 or len(starts) < 2:
        for start in starts:
            yield start, run(start)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    executor = ThreadPoolExecutor(threads, name)
    waiting: deque[tuple[int, Future[_Result]]] = deque()
    refused = False

    def begin(start: int) -> Future[_Result]:
        nonlocal refused
        if not refused:
            try:
                return executor.submit(run, start)
            except RuntimeError:  # no more threads
                refused = True
        task: Future[_Result] = Future()
        task.set_result(run(start))
        return task

    try:
        for start in starts:
            waiting.append((start, begin(start)))
            # Not all at once: results that wait here are images in memory.
            if len(waiting) > _TASKS_AHEAD * threads:
                first, task = waiting.popleft()
                yield first, task.result()
        while waiting:
            first, task = waiting.popleft()
            yield first, task.result()
    finally:
        # After Ctrl-C or an error: wait for the tasks in work, not for the rest of the list.
        executor.shutdown(cancel_futures=True)


def _mean_work(paths: Sequence[str]) -> float:
    """Of decoding a file outside the interpreter lock, in bytes; by a sample."""
    from nncore import _core

    sample = paths[:: max(len(paths) // 64, 1)]
    built_with = _core.info()
    by_core = tuple(
        name for library, names in _NAMES.items() if built_with[library] for name in names
    )
    total = 0
    for path in sample:
        try:
            size = os.stat(path).st_size
        except OSError:
            continue  # the loader will name it
        total += max(size, _BYTES_WORTH_A_THREAD if path.lower().endswith(by_core) else 0)
    return total / max(len(sample), 1)
