"""A contender's process, seen from the parent: starts it, asks, and ends it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

BENCH = Path(__file__).resolve().parent


# Set on some machines, they cost NumPy, SciPy and scikit-learn half their speed.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class ContenderFailed(RuntimeError):
    """A contender's process ended, answered nonsense or not at all; holds what it printed."""


def environment(threads: int, package_path: Path | None = None) -> dict[str, str]:
    """The environment that keeps every library to so many threads.

    What makes a BLAS take the kernels of another processor than this one is left out. Packages in
    `package_path` come before those that are installed.
    """
    count = str(threads)
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NNCORE_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
    first = "" if package_path is None else str(package_path)
    paths = [first, str(BENCH), os.environ.get("PYTHONPATH", "")]
    inherited = {name: text for name, text in os.environ.items() if name not in MISLEADING}
    return {
        **inherited,
        **dict.fromkeys(names, count),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def drop_misleading() -> None:
    """For a benchmark in one process: starts this program anew without them."""
    if any(name in os.environ for name in MISLEADING):
        for name in MISLEADING:
            os.environ.pop(name, None)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def usable_cpus() -> set[int]:
    """Those that this process may use."""
    return os.sched_getaffinity(0)


def cpus(threads: int) -> set[int]:
    """The CPUs for so many threads: the last ones, since the first serves most interrupts.

    Raises
    ------
    ValueError
        There are not so many.
    """
    usable = sorted(os.sched_getaffinity(0))
    if threads > len(usable):
        raise ValueError(f"{threads} threads, but this process may use {len(usable)} CPUs only")
    return set(usable[-threads:])


class ContenderProcess:
    """One contender at work on one task. Use it in a `with` statement.

    Its CPUs are limited to the number of threads, which is what JAX and TensorFlow go by, unless
    `usable` says which they are. `package_path` is as in `environment`.
    """

    def __init__(
        self,
        name: str,
        task_path: Path,
        threads: int,
        patience: float = 600.0,
        package: str = "contenders",
        usable: set[int] | None = None,
        package_path: Path | None = None,
    ) -> None:
        self.name = name
        self._patience = patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        chosen = cpus(threads) if usable is None else usable
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, chosen)  # the child inherits it
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", package, name, str(task_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment(threads, package_path),
                cwd=BENCH,
            )
        finally:
            os.sched_setaffinity(0, before)
        self._pending = b""
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def facts(self) -> str:
        """Versions and kernels in one line."""
        return f"{self.name}: " + ", ".join(f"{key} {text}" for key, text in self.versions.items())

    def helper_threads(self) -> list[int]:
        """The numbers of all its threads but the first, as Linux knows them."""
        everyone = {int(name) for name in os.listdir(f"/proc/{self._process.pid}/task")}
        return sorted(everyone - {self._process.pid})

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and wait for the answer.

        Raises
        ------
        ContenderFailed
            With the end of what the process printed.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("it has ended") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        deadline = time.monotonic() + self._patience
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise self._failure(f"no answer within {self._patience:g} s")
            data = os.read(pipe, 65536)
            if not data:
                raise self._failure("it has ended")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        answer = json.loads(line)
        if "error" in answer:
            raise self._failure(answer["error"])
        return dict(answer)

    def _failure(self, what: str) -> ContenderFailed:
        self._errors.seek(0)
        printed = self._errors.read().decode(errors="replace").strip()
        return ContenderFailed(f"{self.name}: {what}\n{printed[-2000:]}")

    def close(self) -> None:
        """End the process."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._errors.close()

    def __enter__(self) -> ContenderProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
