"""Counts for `GET /metrics`, in Prometheus's text form (version 0.0.4).

Only the event loop's thread counts. Labels have few values, whatever clients send.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from mmap import PAGESIZE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PICTURES = (1, 2, 4, 8, 16)
_STARTED = time.time()

Labels = tuple[tuple[str, str], ...]


class Counter:
    """Numbers that only grow, one for each set of labels."""

    kind = "counter"

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count; `labels` are the same names each time."""
        key = tuple(labels.items())
        self._values[key] = self._values.get(key, 0) + amount

    def lines(self) -> Iterable[str]:
        """The samples."""
        for labels, value in sorted(self._values.items()):
            yield _sample(self.name, labels, value)


class Histogram:
    """How many observations were not above each bound."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: tuple[float, ...]) -> None:
        self.name, self.text, self._bounds = name, text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterable[str]:
        """The samples, which Prometheus wants cumulated."""
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield _sample(f"{self.name}_bucket", (("le", bound),), total)
        yield _sample(f"{self.name}_sum", (), self._sum)
        yield _sample(f"{self.name}_count", (), total)


class Metrics:
    """All that is counted."""

    def __init__(self) -> None:
        self.requests = Counter("nncore_requests_total", "Requests by path and status.")
        self.seconds = Histogram(
            "nncore_request_seconds", "From a request's head to the end of its answer.", _SECONDS
        )
        self.pictures = Counter("nncore_pictures_total", "Pictures by what became of them.")
        self.batches = Histogram(
            "nncore_batch_pictures", "Pictures that were computed at once.", _PICTURES
        )
        self.decode = Counter("nncore_decode_seconds_total", "Seconds of decoding pictures.")
        self.compute = Counter("nncore_compute_seconds_total", "Seconds of computing batches.")

    def text(self, now: Mapping[str, tuple[str, float]], reloads: Mapping[str, int]) -> str:
        """Everything; `now` has a help text and a value for each name of what goes up and down."""
        reloaded = Counter("nncore_model_reloads_total", "Changed model files by outcome.")
        for outcome, count in reloads.items():
            reloaded.add(count, outcome=outcome)
        lines: list[str] = []
        requests = (self.requests, self.seconds, self.pictures)
        for one in (*requests, self.batches, self.decode, self.compute, reloaded):
            lines += _head(one.name, one.text, one.kind)
            lines += one.lines()
        for name, (text, value) in {**now, **_process()}.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [*_head(name, text, kind), _sample(name, (), value)]
        return "\n".join(lines) + "\n"


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {value:.16g}" if inside else f"{name} {value:.16g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _process() -> dict[str, tuple[str, float]]:
    """By the names that Prometheus's own clients use."""
    found = {
        "process_cpu_seconds_total": ("Seconds of CPU time.", time.process_time()),
        "process_start_time_seconds": ("When nncore began to serve.", _STARTED),
    }
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        files = len(os.listdir("/proc/self/fd"))
    except OSError:  # not Linux
        return found
    return found | {
        "process_resident_memory_bytes": ("Memory in use.", pages * PAGESIZE),
        "process_open_fds": ("Open files and sockets.", files),
    }
