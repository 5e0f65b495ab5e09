"""One contender in a process of its own: ``python -m contenders NAME TASK.npz``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import IO

from contender import answer
from task import Task

from contenders import CONTENDERS
from contenders.base import serve


def main() -> int:
    name, path = sys.argv[1:]

    def serve_task(replies: IO[str]) -> None:
        module = importlib.import_module(f"contenders.{CONTENDERS[name].module}")
        serve(module.Trainer, Task.load(Path(path)), replies)

    return answer(serve_task)


if __name__ == "__main__":
    sys.exit(main())
