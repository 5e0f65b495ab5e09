"""The speed gate: ``python bench/regress.py --against COMMIT`` fails where nncore became slower.

Two builds are made alike, of the commit and of the files as they are now, and take turns at the
same work in the same minutes; what counts is the median over the rounds of how long one took
against the other. So no time is kept from another day or machine. On one thread it is CPU time, so
that other programs are in the way as little as possible.

With ``--reads`` it is second reads of a folder, which come from the cache, instead of training.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from builds import HERE, ROOT, BuildFailed, build_commit, build_here, check_comes_first, commit_of
from machine import load_warning
from output import table
from pictures import PICTURES, folder
from process import ContenderProcess, cpus
from readers.base import Task as Folder
from rounds import Run, Timing, alternate
from task import make_task
from works import WORKS

TOLERANCE = 0.05  # the part of the speed that may be lost
PAUSE = 0.05  # seconds, in which idle threads fall asleep
FOLDERS = Path(tempfile.gettempdir()) / "nncore-bench-pictures"
Builds = Mapping[str, Path]  # what to put on PYTHONPATH, by what it is called: before, then now


def slower(ratios: Mapping[str, float], tolerance: float = TOLERANCE) -> list[str]:
    """What takes longer now, by more than `tolerance` of the time before."""
    # Written so that NaN counts as slower.
    return [name for name, ratio in ratios.items() if not ratio <= 1 + tolerance]


def ratio(timings: Mapping[str, Timing]) -> float:
    """How long it takes now against before: the median over the rounds."""
    before, now = timings.values()
    return statistics.median(b / a for a, b in zip(before.rounds, now.rounds, strict=True))


@contextlib.contextmanager
def training(name: str, builds: Builds, threads: int) -> Iterator[dict[str, Run]]:
    """Epochs of a work by `Sequential.fit`, a process per build."""
    clock = "cpu_seconds" if threads == 1 else "seconds"
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "task.npz"
        make_task(WORKS[name], threads).save(path)

        def start(package: Path) -> Run:
            process = ContenderProcess("nncore", path, threads, package_path=package)
            stack.enter_context(process)
            return lambda epochs: float(process.ask(f"run {epochs}")[clock])

        yield {called: start(package) for called, package in builds.items()}


@contextlib.contextmanager
def reading(
    name: str, builds: Builds, threads: int, root: Path = FOLDERS, limit: int | None = None
) -> Iterator[dict[str, Run]]:
    """Second reads of a folder of pictures, each build from a cache of its own."""
    clock = "cpu_seconds" if threads == 1 else "seconds"
    kind = PICTURES[name]
    root.mkdir(exist_ok=True)
    place = folder(kind, root, limit)
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root)))

        def start(number: int, package: Path) -> Run:
            path = scratch / f"{number}.json"
            cache = str(scratch / f"cache{number}")
            Folder(str(place), kind.side, kind.color, threads, cache).save(path)
            process = ContenderProcess(
                "nncore", path, threads, package="readers", package_path=package
            )
            stack.enter_context(process)
            process.ask("first")
            return lambda times: sum(float(process.ask("second")[clock]) for _ in range(times))

        yield {
            called: start(number, package)
            for number, (called, package) in enumerate(builds.items())
        }


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    try:
        commit = commit_of(options.against)
        builds = {
            f"{options.against} ({commit[:10]})": build_commit(commit, options.builds),
            HERE: build_here(options.builds),
        }
        for package in builds.values():
            check_comes_first(package)
    except BuildFailed as error:
        print(f"FAILED: {error}")
        return 1
    work = reading if options.reads else training

    def measure(names: list[str]) -> dict[str, dict[str, Timing]]:
        found = {}
        for name in names:
            with work(name, builds, options.threads) as runs:
                found[name] = alternate(runs, options.rounds, options.seconds, PAUSE)
        return found

    return judge(options.reads or options.works, measure)


def judge(names: list[str], measure: Callable[[list[str]], dict[str, dict[str, Timing]]]) -> int:
    """The exit code; whoever is slower must be so twice, for something may have been in the way."""
    measured = measure(names)
    suspects = slower({name: ratio(timings) for name, timings in measured.items()})
    if suspects:
        print(f"slower: {', '.join(suspects)}; measuring again")
        for name, timings in measure(suspects).items():
            measured[name] = min(measured[name], timings, key=ratio)
    print(_comparison(measured))
    suspects = slower({name: ratio(timings) for name, timings in measured.items()})
    if suspects:
        print(f"FAILED: {', '.join(suspects)} lost more than {TOLERANCE:.0%} of the speed")
    return 1 if suspects else 0


def _comparison(measured: Mapping[str, Mapping[str, Timing]]) -> str:
    rows = []
    for name, timings in measured.items():
        before, now = timings.values()
        ratios = [b / a - 1 for a, b in zip(before.rounds, now.rounds, strict=True)]
        rows.append(
            (
                name,
                *(f"{1e3 * timing.median:.4g}" for timing in timings.values()),
                f"{ratio(timings) - 1:+.1%}",
                f"{min(ratios):+.1%} to {max(ratios):+.1%}",
            )
        )
    called = next(iter(measured.values()))
    return table(("ms", *called, "change", "rounds"), rows)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--against", default="HEAD", metavar="COMMIT", help="what was before (default: %(default)s)"
    )
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument(
        "--reads",
        nargs="*",
        choices=list(PICTURES),
        help="second reads of these folders (all, if none is named) instead of training",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="per round, about")
    parser.add_argument(
        "--builds",
        type=Path,
        default=ROOT / "build" / "regress",
        help="where builds are made, and those of commits kept",
    )
    options = parser.parse_args(arguments)
    if options.reads == []:
        options.reads = list(PICTURES)
    if options.rounds < 1 or options.threads < 1 or options.seconds <= 0:
        parser.error("--rounds, --threads and --seconds must be positive")
    try:
        cpus(options.threads)
    except ValueError as error:
        parser.error(f"--threads: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
