"""One contender in a process of its own: ``python -m readers NAME TASK.json``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import IO

from contender import answer

from readers import READERS
from readers.base import Task, serve


def main() -> int:
    name, path = sys.argv[1:]

    def serve_task(replies: IO[str]) -> None:
        module = importlib.import_module(f"readers.{READERS[name].module}")
        serve(module.Reader, Task.load(Path(path)), replies)

    return answer(serve_task)


if __name__ == "__main__":
    sys.exit(main())
