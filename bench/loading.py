"""Reading folders of pictures, nncore against its peers: ``python bench/loading.py``.

Each contender turns a folder with a sub-folder per class into batches of pixels of one size, in a
process of its own, on the same number of threads. They take turns; in each turn a contender reads
everything twice: as on a first run, and as on a second. Import and start are not in the times.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import load_warning, machine
from output import table, write_json
from pictures import PICTURES, Pictures, folder
from process import ContenderFailed, ContenderProcess, cpus
from readers import READERS
from readers.base import Task
from rounds import Timing

OURS = "nncore"
RUNS = ("first", "second")
# Threads of the one before, which sleep only after a while, must not run in the next one's time.
SETTLE_SECONDS = 0.5
MEAN_TOLERANCE = 2.0  # of 255: resizing and JPEG decoding differ a little


class DifferentImages(RuntimeError):
    """Contenders disagree about the pictures."""


@dataclass
class Result:
    """One folder on one number of threads; seconds for the whole folder."""

    pictures: Pictures
    threads: int
    images: int = 0
    timings: dict[str, dict[str, Timing]] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str, run: str) -> float:
        """How many times as fast as the best peer's same run."""
        peers = [t[run].median for who, t in self.timings.items() if who != OURS]
        return min(peers) / self.timings[name][run].median if peers else float("nan")

    def to_dict(self) -> dict[str, Any]:
        return {
            "pictures": self.pictures.name,
            "note": self.pictures.note,
            "threads": self.threads,
            "images": self.images,
            "seconds": {
                name: {run: timing.to_dict() for run, timing in runs.items()}
                for name, runs in self.timings.items()
            },
            "mean_pixel": self.means,
            "versions": self.versions,
            "failures": self.failures,
        }

    def __str__(self) -> str:
        rows = []
        for name, runs in self.timings.items():
            for run in RUNS:
                timing = runs[run]
                low, high = (self.images / seconds for seconds in reversed(timing.spread))
                rows.append(
                    (
                        f"{name}, {run} read",
                        f"{self.images / timing.median:,.0f}",
                        f"{low:,.0f} to {high:,.0f}",
                        f"{timing.median:.3g}",
                        f"{self.ratio(name, run):.2f} x",
                    )
                )
        head = f"{self.pictures.note}, {self.threads} thread(s)"
        header = ("contender", "images/s", "rounds", "seconds", "vs best peer")
        failed = [f"FAILED: {text}" for text in self.failures.values()]
        return "\n".join([head, table(header, rows), *failed])


def check_same(images: dict[str, int], means: dict[str, float]) -> None:
    """Raise `DifferentImages` unless all read as many images, with about the same mean pixel."""
    if len(set(images.values())) > 1:
        raise DifferentImages(f"not the same number of images: {images}")
    if means and not max(means.values()) - min(means.values()) <= MEAN_TOLERANCE:
        raise DifferentImages(f"not the same pixels, by their means: {means}")


def evict(place: Path) -> None:
    """Ask the system to forget the files' content, so that it comes from the disk."""
    for path in place.glob("*/*"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def measure(
    kind: Pictures, place: Path, threads: int, names: list[str], rounds: int, cold: bool
) -> Result:
    """Take turns; each turn a first and a second read."""
    result = Result(kind, threads)
    counts: dict[str, int] = {}
    times: dict[str, dict[str, list[float]]] = {}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place.parent)))
        task = Task(str(place), kind.side, kind.color, threads, str(scratch / "cache"))
        task.save(scratch / "task.json")
        processes: dict[str, ContenderProcess] = {}
        for name in names:
            try:
                process = ContenderProcess(name, scratch / "task.json", threads, package="readers")
                stack.enter_context(process)
                answer = process.ask("first")  # warm-up, and the check
            except ContenderFailed as error:
                result.failures[name] = str(error)
                continue
            processes[name], result.versions[name] = process, process.versions
            counts[name], result.means[name] = answer["images"], answer["mean"]
            times[name] = {run: [] for run in RUNS}
        check_same(counts, result.means)
        if not processes:
            return result
        result.images = next(iter(counts.values()))
        for turn in range(rounds):
            order = list(processes)
            order = order[turn % len(order) :] + order[: turn % len(order)]
            for name in order:
                for run in RUNS:
                    time.sleep(SETTLE_SECONDS)
                    if cold and run == "first":
                        evict(place)
                    times[name][run].append(float(processes[name].ask(run)["seconds"]))
    result.timings = {
        name: {run: Timing(tuple(seconds), 1) for run, seconds in runs.items()}
        for name, runs in times.items()
    }
    return result


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    names = []
    for name in options.contenders:
        missing = READERS[name].missing()
        if missing:
            print(
                f"NOT MEASURED: {name} needs {', '.join(missing)}; "
                f"install it with: {READERS[name].install}"
            )
        else:
            names.append(name)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    facts, results, failed = machine(), [], False
    options.data.mkdir(parents=True, exist_ok=True)
    for name in options.pictures:
        try:
            place = folder(PICTURES[name], options.data, options.limit)
        except FileNotFoundError as error:
            print(f"NOT MEASURED: {name}: {error}")
            continue
        for threads in options.threads:
            try:
                result = measure(
                    PICTURES[name], place, threads, names, options.rounds, options.cold
                )
            except DifferentImages as error:
                print(f"FAILED: {name}, {threads} thread(s): {error}")
                failed = True
                continue
            failed = failed or bool(result.failures)
            results.append(result)
            print(f"\n{result}\n", flush=True)
            if options.json:
                settings = {"rounds": options.rounds, "cold": options.cold, "limit": options.limit}
                write_json(
                    options.json,
                    {
                        "machine": facts,
                        "settings": settings,
                        "results": [result.to_dict() for result in results],
                    },
                )
    return 1 if failed else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--contenders", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--rounds", type=int, default=5, help="at least 5 for figures to quote")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "nncore-bench-pictures",
        help="where the pictures are written, and kept for the next time (1.2 GB)",
    )
    parser.add_argument("--limit", type=int, help="fewer images, to try this out")
    parser.add_argument(
        "--cold", action="store_true", help="first reads come from the disk, not from memory"
    )
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or min(options.threads) < 1:
        parser.error("--rounds and --threads must be positive")
    try:
        cpus(max(options.threads))
    except ValueError as error:
        parser.error(f"--threads: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
