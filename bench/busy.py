"""Training beside other programs: ``python bench/busy.py``.

Each load of loads.py is started, measured beside and ended in turn; at last there are more threads
than CPUs, and helpers that compute at a third of the speed of others (`uneven`). Contenders are
nncore on one thread and on several, PyTorch and JAX on several; all may use all CPUs, and take
turns.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contenders import CONTENDERS
from cpu_quota import QuotaUnavailable, quota
from loads import LOADS, quiet
from machine import load_warning, machine
from output import microseconds, table, write_json
from process import ContenderFailed, ContenderProcess, usable_cpus
from rounds import Run, Timing, alternate
from task import make_task
from works import WORKS, Work

CROWDED = "crowded"  # twice as many threads as CPUs
UNEVEN = "uneven"  # all threads but the first get a third of a CPU, in slices of a millisecond
PEERS = ("torch", "torch-channels-last", "jax", "jax-scan")


@dataclass(frozen=True)
class Seat:
    """A contender on so many threads."""

    name: str
    threads: int

    def __str__(self) -> str:
        return f"{self.name}, {self.threads}"


def measure(
    work: Work, load: str, seats: list[Seat], rounds: int, seconds: float
) -> tuple[dict[str, Timing], dict[str, dict[str, str]]]:
    """Seconds per step of each, and what took part; who fails is named and left out."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(LOADS.get(load, quiet)())
        runs: dict[str, Run] = {}
        versions: dict[str, dict[str, str]] = {}
        for seat in seats:
            path = folder / f"{seat.threads}.npz"
            if not path.exists():
                make_task(work, seat.threads).save(path)
            try:
                process = stack.enter_context(
                    ContenderProcess(seat.name, path, seat.threads, usable=usable_cpus())
                )
            except ContenderFailed as error:
                print(f"FAILED: {error}")
                continue
            run = _run(process)
            if load == UNEVEN and seat.threads > 1:
                run(1)  # its threads are there from now on
                for thread in process.helper_threads():
                    share = quota(1 / 3, period_us=3000, name=str(thread))
                    stack.enter_context(share).add_thread(thread)
            runs[str(seat)] = run
            versions[str(seat)] = process.versions
            print(process.facts())
        timings = alternate(runs, rounds, seconds, pause=0.05)
    return {name: timing.per(work.steps) for name, timing in timings.items()}, versions


def _run(process: ContenderProcess) -> Run:
    return lambda epochs: float(process.ask(f"run {epochs}")["seconds"])


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    peers = []
    for name in options.peers:
        missing = CONTENDERS[name].missing()
        if missing:
            print(
                f"NOT MEASURED: {name} needs {', '.join(missing)}; "
                f"install it with: {CONTENDERS[name].install}"
            )
        else:
            peers.append(name)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    report: dict[str, Any] = {"machine": machine(), "results": []}
    for load in options.loads:
        threads = len(usable_cpus()) * (2 if load == CROWDED else 1)
        rows = []
        for name in options.works:
            work = WORKS[name]
            taking_part = [peer for peer in peers if CONTENDERS[peer].takes(work)]
            seats = [Seat("nncore", 1), Seat("nncore", threads)]
            seats += [Seat(peer, threads) for peer in taking_part]
            try:
                timings, versions = measure(work, load, seats, options.rounds, options.seconds)
            except QuotaUnavailable as error:
                print(f"NOT MEASURED: {load}: {error}")
                break
            alone = timings[str(seats[0])]
            for seat, timing in timings.items():
                low, high = timing.spread
                rows.append(
                    (
                        f"{name}: {seat}",
                        microseconds(timing.median),
                        f"{microseconds(low)} to {microseconds(high)}",
                        f"{alone.median / timing.median:.2f} x",
                    )
                )
            report["results"].append(
                {
                    "load": load,
                    "work": name,
                    "threads": threads,
                    "seconds_per_step": {seat: t.to_dict() for seat, t in timings.items()},
                    "versions": versions,
                }
            )
        if not rows:
            continue
        header = (f"{load}: contender, threads", "us/step", "rounds", "speed of one thread")
        print(f"\n{table(header, rows)}\n", flush=True)
        if options.json:
            write_json(options.json, report)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    loads = [*LOADS, CROWDED, UNEVEN]
    parser.add_argument("--loads", nargs="+", choices=loads, default=loads)
    parser.add_argument(
        "--works", nargs="+", choices=list(WORKS), default=["mlp128", "mlp512", "lenet", "cifar"]
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="per contender and round")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


if __name__ == "__main__":
    sys.exit(main())
