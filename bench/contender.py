"""What takes part in a comparison: what it needs, and how its process answers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Contender:
    """One contender: its module, what must be importable, and the command that installs that."""

    name: str
    module: str
    needs: tuple[str, ...]
    install: str

    def missing(self) -> list[str]:
        """Modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


def blas_kernels() -> dict[str, str]:
    """Each BLAS that this process has loaded, and for which processor it took its kernels."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return {}
    found = {}
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            library = f"{pool['internal_api']} {pool['version']}, {Path(pool['filepath']).name}"
            found[library] = str(pool.get("architecture", "not told"))
    return found


@contextlib.contextmanager
def replies_on_stdout() -> Iterator[IO[str]]:
    """The real standard output for replies; whatever libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as replies:
        os.dup2(2, 1)
        yield replies


def reply(replies: IO[str], **message: object) -> None:
    """One line of JSON."""
    print(json.dumps(message), file=replies, flush=True)


def answer(serve: Callable[[IO[str]], None]) -> int:
    """Run `serve` with the file for its replies; the process's exit code. An error is a reply."""
    with replies_on_stdout() as replies:
        try:
            serve(replies)
        except Exception as error:
            traceback.print_exc()
            reply(replies, error=f"{type(error).__name__}: {error}")
            return 1
    return 0
