"""The command line as one of several processes that `mpiexec` has started.

Verbs that share their work (`SHARED`) do it together; of all others the first process does the
work, and there is nothing for the rest. The first one alone prints and writes. Whatever fails
anywhere ends all: the others would wait for it forever.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nncore.cli.failures import describe
from nncore.cli.output import Output, write_error
from nncore.process.launch import SWITCH, launch

if TYPE_CHECKING:
    from nncore.distributed import World

SHARED = ("train", "evaluate", "predict")
# What is wrong with the command or the data is found by all; the first one is given time to say it.
_FIRST_COMES_FIRST = 2.0


class Processes:
    """What this process is among those that were started together, from the environment alone.

    Attributes
    ----------
    number
        How many there are, as far as it is told; 1: this one alone.
    rank
        Which of them this is.
    """

    def __init__(self) -> None:
        started = launch()
        self.number = 1 if started is None else started.size or 2
        self.rank = 0 if started is None else int(os.environ[started.variable])
        self._world: World | None = None
        self._stderr: int | None = None

    @property
    def is_one_of_many(self) -> bool:
        return self.number > 1

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """While entered, all but the first process are silent, whoever writes."""
        if self.rank == 0:
            yield
            return
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        self._stderr = kept[1]
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, own in enumerate(kept, 1):
                os.dup2(own, number)
                os.close(own)
            os.close(nothing)
            self._stderr = None

    @contextlib.contextmanager
    def at_work(self, verb: str, out: Output) -> Iterator[bool]:
        """While entered, this process works at a verb with the others; False: it has nothing to do.

        Raises
        ------
        MissingExtraError, NncoreError
            The others cannot be reached: see `nncore.distributed.world`.
        """
        if not self.is_one_of_many:
            yield True
            return
        if verb not in SHARED:
            os.environ[SWITCH] = "0"  # from here on the first one is alone
            if self.rank == 0:
                out.warn(f"nncore {verb} is done by one process; the others have nothing to do")
            yield self.rank == 0
            return
        from nncore.distributed import world
        from nncore.process.team import together

        self._world = world()
        with together(self._world):
            yield True
        # Whoever ended with another exit code than 0 earlier would end the others.
        self._world.wait_for_all()

    def fail(self, error: BaseException, code: int) -> int:
        """After a failure that the first process has reported: the exit code, or the end of all."""
        if not self.is_one_of_many:
            return code
        if self.rank > 0:
            time.sleep(_FIRST_COMES_FIRST)
            if self._world is None:
                return code
            self._report(error)
        if self._world is not None and not self._world.alone:
            self._world.abort(code)
        return code

    def _report(self, error: BaseException) -> None:
        """The line of a failure that befell this process and not the first one."""
        import socket

        with contextlib.suppress(OSError):
            if self._stderr is not None:
                os.dup2(self._stderr, 2)
        write_error(f"process {self.rank} on {socket.gethostname()}: {describe(error)[1]}")


def say_processes(out: Output) -> None:
    """The first line of a training by several processes: who takes part."""
    from nncore.distributed import world
    from nncore.process.runtime import get_num_threads
    from nncore.process.team import team_at_work

    if team_at_work() is None:
        return
    threads = sorted(set(world().all_of(get_num_threads())))
    out.say(words(world().size, world().hosts, threads))


def words(size: int, hosts: Sequence[str], threads: Sequence[int]) -> str:
    """Who takes part; `threads` are the numbers of them that some process has."""
    where = f"on {hosts[0]}" if len(hosts) == 1 else f"on {len(hosts)} hosts ({', '.join(hosts)})"
    each = " to ".join(map(str, {min(threads): 0, max(threads): 0}))
    return f"{size} processes {where}, {each} thread{'' if each == '1' else 's'} each"
