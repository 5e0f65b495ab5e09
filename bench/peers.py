"""Whole training steps of nncore against its peers: ``python bench/peers.py``.

Each contender trains the same network on the same data in the same order with plain SGD, in a
process of its own, through its Python API. They take turns; the table has the median over the
rounds. Before any timing all of them train a few epochs from the same weights: a contender whose
loss then differs did other work, and the benchmark fails.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, Entry
from machine import load_warning, machine
from output import microseconds, table, write_json
from peak import Peak, limit_run, measure_peak
from process import ContenderFailed, ContenderProcess, cpus
from rounds import Run, Timing, alternate
from task import make_task
from works import WORKS, Work

LOSS_TOLERANCE = 1e-3
OURS = "nncore"
LIMIT = "limit"


class DifferentWork(RuntimeError):
    """Contenders disagree about the loss."""


@dataclass
class Result:
    """One work at one number of threads."""

    work: Work
    peak: Peak
    timings: dict[str, Timing] = field(default_factory=dict)  # seconds per step
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    limit_timing: Timing | None = None  # seconds per step of the FMA loop, which took its turns

    def share(self, name: str) -> float:
        """Median over the rounds of the limit's time over the contender's."""
        timing = self.timings[name]
        if self.limit_timing is None:
            return self.limit / timing.median
        pairs = zip(self.limit_timing.rounds, timing.rounds, strict=True)
        return statistics.median(limit / taken for limit, taken in pairs)

    @property
    def limit(self) -> float:
        """Seconds per step at the measured peak."""
        return self.work.limit_seconds(self.peak.gflops)

    def fastest_peer(self) -> str | None:
        peers = [name for name in self.timings if name != OURS]
        return min(peers, key=lambda name: self.timings[name].median, default=None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "work": self.work.name,
            "threads": self.peak.threads,
            "batch": self.work.batch,
            "images": self.work.images,
            "step_flops": self.work.step_flops(),
            "peak": self.peak.to_dict(),
            "limit_seconds": self.limit,
            "limit_rounds": self.limit_timing.rounds if self.limit_timing else None,
            "share_of_limit": {name: self.share(name) for name in self.timings},
            "seconds_per_step": {n: t.to_dict() for n, t in self.timings.items()},
            "losses": self.losses,
            "versions": self.versions,
            "failures": self.failures,
        }

    def __str__(self) -> str:
        work, peak, best = self.work, self.peak, self.fastest_peer()
        rows = []
        for name, timing in sorted(self.timings.items(), key=lambda item: item[1].median):
            low, high = timing.spread
            ratio = self.timings[best].median / timing.median if best else float("nan")
            rows.append(
                (
                    name,
                    microseconds(timing.median),
                    f"{microseconds(low)} to {microseconds(high)}",
                    f"{ratio:.2f} x" if best else "no peer",
                    f"{100 * self.share(name):.3g}%",
                    f"{self.losses[name]['after']:.5f}",
                )
            )
        head = (
            f"{work.name}, batch {work.batch}, {peak.threads} thread(s): at "
            f"{peak.gflops:.0f} GFLOP/s a step takes {microseconds(self.limit)} us"
        )
        header = ("contender", "us/step", "rounds", "vs best peer", "of the limit", "loss")
        failed = [f"FAILED: {text}" for text in self.failures.values()]
        return "\n".join([head, table(header, rows), *failed])


def check_losses(losses: dict[str, dict[str, float]], tolerance: float = LOSS_TOLERANCE) -> None:
    """Compare the losses of all contenders with the first one's.

    Raises
    ------
    DifferentWork
        A loss differs, or training did not change it, so that agreeing means nothing.
    """
    reference: dict[str, float] | None = None
    for name, loss in losses.items():
        reference = reference or loss
        for when in ("before", "after"):
            # Written so that NaN fails.
            if not abs(loss[when] - reference[when]) <= tolerance * abs(reference[when]):
                raise DifferentWork(f"loss {when} training: {name} differs: {losses}")
        if not abs(loss["after"] - loss["before"]) > 20 * tolerance * loss["before"]:
            raise DifferentWork(f"{name}: training hardly changed the loss: {losses}")


def measure(work: Work, threads: int, entries: list[Entry], rounds: int, seconds: float) -> Result:
    """Measure one work: check that all do the same, then take turns."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_task(work, threads).save(folder / "task.npz")
        result = Result(work, measure_peak(threads))
        runs: dict[str, Run] = {}
        for entry in entries:
            try:
                process = ContenderProcess(entry.name, folder / "task.npz", threads)
                stack.enter_context(process)
                result.losses[entry.name] = process.ask("check")
            except ContenderFailed as error:
                result.failures[entry.name] = str(error)
                continue
            result.versions[entry.name] = process.versions
            print(process.facts())
            runs[entry.name] = _run(process)
        check_losses(result.losses)
        limit = limit_run(threads)
        if limit is not None:
            runs[LIMIT] = limit[0]
        timings = alternate(runs, rounds, seconds, pause=0.2)
        per_gflop = timings.pop(LIMIT, None)
        result.timings = {name: timing.per(work.steps) for name, timing in timings.items()}
        if limit is not None and per_gflop is not None:
            result.limit_timing = per_gflop.per(1e9 / work.step_flops())
            result.peak = replace(limit[1], gflops=1 / per_gflop.median)
    return result


def _run(process: ContenderProcess) -> Run:
    return lambda epochs: float(process.ask(f"run {epochs}")["seconds"])


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    entries, absent = [], []
    for name in options.contenders:
        missing = CONTENDERS[name].missing()
        if missing:
            absent.append(name)
            print(
                f"NOT MEASURED: {name} needs {', '.join(missing)}; "
                f"install it with: {CONTENDERS[name].install}"
            )
            continue
        entries.append(CONTENDERS[name])
        idle = [work for work in options.works if not CONTENDERS[name].takes(WORKS[work])]
        if idle:
            print(f"{name} takes no part in {', '.join(idle)}: {CONTENDERS[name].note}")
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    facts = machine()
    results: list[Result] = []
    failed = False
    for name in options.works:
        for threads in options.threads:
            work = WORKS[name]
            taking_part = [entry for entry in entries if entry.takes(work)]
            try:
                result = measure(work, threads, taking_part, options.rounds, options.seconds)
            except DifferentWork as error:
                print(f"FAILED: {name}, {threads} thread(s): {error}")
                failed = True
                continue
            failed = failed or bool(result.failures)
            results.append(result)
            print(f"\n{result}\n", flush=True)
            if options.json:
                # After each work, so that an interrupted run leaves what it measured.
                write_json(options.json, _report(facts, results, absent, options))
    if options.plot and results:
        from plot_peers import plot

        plot(_report(facts, results, absent, options), options.plot)
    return 1 if failed else 0


def _report(
    facts: dict[str, Any], results: list[Result], absent: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "machine": facts,
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "not_installed": absent,
        "results": [result.to_dict() for result in results],
    }


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument("--rounds", type=int, default=5, help="at least 5 for figures to quote")
    parser.add_argument("--seconds", type=float, default=0.5, help="per contender and round, about")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    parser.add_argument("--plot", type=Path, help="draw bars into this .png")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or min(options.threads) < 1 or options.seconds <= 0:
        parser.error("--rounds, --threads and --seconds must be positive")
    try:
        cpus(max(options.threads))
    except ValueError as error:
        parser.error(f"--threads: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
