"""One process of a contender: ``mpiexec -n 2 python -m ranks NAME FOLDER CHECKED TIMED``.

Trains `CHECKED` epochs, whose losses the first process tells as JSON; then three times `TIMED`
epochs, of which it tells the seconds per step.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from photo_task import Task

from ranks import RANKS
from ranks.base import Ranks


def main() -> None:
    name, folder, checked, timed = sys.argv[1:]
    module = importlib.import_module(f"ranks.{RANKS[name].module}")
    task = Task.load(Path(folder))
    ranks: Ranks = module.Ranks(task)
    losses = ranks.train(int(checked))
    steps = int(timed) * (len(task.images) // task.batch)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        ranks.train(int(timed))
        seconds.append((time.perf_counter() - begun) / steps)
    if ranks.first:
        told = {"losses": losses, "seconds": seconds, "versions": ranks.versions()}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
