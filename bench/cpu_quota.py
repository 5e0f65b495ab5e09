"""A share of the CPUs that the system enforces: a control group, made here and always taken away.

Needs the right to make one (root, most often). With version 1 of control groups single threads can
be limited, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_VERSION_1 = Path("/sys/fs/cgroup/cpu")
_VERSION_2 = Path("/sys/fs/cgroup")


class QuotaUnavailable(RuntimeError):
    """This system lets us make no control group with a quota."""


class Quota:
    """A group whose members together get so many CPUs."""

    def __init__(self, folder: Path, files: dict[str, str], processes: str, threads: str) -> None:
        self.folder, self._processes, self._threads = folder, processes, threads
        self._above = folder.parent / processes
        for name, text in files.items():
            (folder / name).write_text(text)

    def add_process(self, number: int) -> None:
        """With all of its threads, and the children that it starts from now on."""
        (self.folder / self._processes).write_text(str(number))

    def add_thread(self, number: int) -> None:
        if not self._threads:
            raise QuotaUnavailable("single threads can only be limited by cgroups of version 1")
        (self.folder / self._threads).write_text(str(number))

    def release(self, number: int) -> None:
        """Back where no quota holds."""
        self._above.write_text(str(number))


@contextlib.contextmanager
def quota(cpus: float, period_us: int = 100_000, name: str = "") -> Iterator[Quota]:
    """A group that gets `cpus` of each period of so many microseconds; several need names.

    Raises
    ------
    QuotaUnavailable
        Where none can be made.
    """
    name = f"nncore-bench-{os.getpid()}{name}"
    share = str(round(cpus * period_us))
    folder = (_VERSION_1 if _VERSION_1.is_dir() else _VERSION_2) / name
    try:
        folder.mkdir()
        if _VERSION_1.is_dir():
            files = {"cpu.cfs_period_us": str(period_us), "cpu.cfs_quota_us": share}
            group = Quota(folder, files, "cgroup.procs", "tasks")
        else:
            group = Quota(folder, {"cpu.max": f"{share} {period_us}"}, "cgroup.procs", "")
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise QuotaUnavailable(f"no control group with a quota can be made: {error}") from None
    try:
        yield group
    finally:
        for number in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                group.release(int(number))
        with contextlib.suppress(OSError):
            folder.rmdir()
