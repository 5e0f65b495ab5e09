"""One contender in a process of its own: ``python -m networks NAME FOLDER``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import IO

from contender import answer
from photo_task import Task

from networks import NETWORKS
from networks.base import serve


def main() -> int:
    name, path = sys.argv[1:]

    def serve_task(replies: IO[str]) -> None:
        module = importlib.import_module(f"networks.{NETWORKS[name].module}")
        serve(module.Network(Task.load(Path(path))), replies)

    return answer(serve_task)


if __name__ == "__main__":
    sys.exit(main())
