"""What a contender implements, and the conversation that its process has with the parent.

The process reads one command per line and answers with one line of JSON each:

    first    {"seconds": s, "cpu_seconds": c, "images": n, "mean": m}
             the whole folder, as by a program that never read it before; m is the mean of all
             pixels, c what all threads of the process took
    second   the same, as by a program that has read it before
    quit     ends

Its first line is {"versions": {...}} once it is ready. Errors end it with {"error": "..."}.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
from contender import reply
from numpy.typing import NDArray

BATCH = 256


@dataclass(frozen=True)
class Task:
    """A folder with a sub-folder per class, what the images shall be, and where a cache may be."""

    folder: str
    side: int
    color: str
    threads: int
    cache: str

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Task:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Reader(ABC):
    """Reads all images of a folder; each subclass in its framework's own way."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def forget(self) -> None:  # noqa: B027 (most have nothing to forget)
        """Remove whatever a former run has left on disk."""

    @abstractmethod
    def batches(self) -> Iterator[NDArray[np.generic]]:
        """From the name of the folder to arrays of at most `BATCH` images and 0..255."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Name and version of what reads."""


def serve(make_reader: type[Reader], task: Task, replies: IO[str]) -> None:
    """Answer the parent's commands until it quits or closes the pipe."""
    reader = make_reader(task)
    reply(replies, versions=reader.versions())
    for line in sys.stdin:
        command = line.strip()
        if command in ("first", "second"):
            if command == "first":
                reader.forget()
            images, total, summing, cpu_summing = 0, 0.0, 0.0, 0.0
            started, cpu_started = time.perf_counter(), time.process_time()
            for batch in reader.batches():
                images += len(batch)
                at, cpu_at = time.perf_counter(), time.process_time()
                total += float(batch.mean(dtype=np.float64)) * len(batch)
                # Not part of reading.
                summing += time.perf_counter() - at
                cpu_summing += time.process_time() - cpu_at
            reply(
                replies,
                seconds=time.perf_counter() - started - summing,
                cpu_seconds=time.process_time() - cpu_started - cpu_summing,
                images=images,
                mean=total / images,
            )
        elif command == "quit":
            return
        else:
            raise ValueError(f"unknown command {line!r}")
