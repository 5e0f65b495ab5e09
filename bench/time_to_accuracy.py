"""From process start to a test accuracy: ``python bench/time_to_accuracy.py``.

Fashion-MNIST as 70,000 PNG files in folders. nncore, PyTorch and Keras read them, train the same
network (3x3x32, pool, 3x3x64, pool, dropout 0.3, 10) with Adam, and look at the test folder after
each epoch. The clock runs from the start of the process: imports, reading and decoding count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_mnist import NotInstalled, write_folders
from machine import load_warning, machine
from output import table, write_json
from process import BENCH, cpus, environment
from races import RACES


@dataclass(frozen=True)
class Race:
    """How one process did: seconds since its start and accuracy, after each epoch."""

    name: str
    seed: int
    seconds: list[float]
    accuracy: list[float]

    def time_to(self, target: float) -> float | None:
        """Seconds to the first epoch at `target` or above; None: never."""
        for seconds, accuracy in zip(self.seconds, self.accuracy, strict=True):
            if accuracy >= target:
                return seconds
        return None


def run(name: str, data: Path, target: float, epochs: int, seed: int, threads: int) -> Race:
    """Run one contender in a process of its own, on as many CPUs as threads."""
    command = [sys.executable, "-m", "races", name, str(data / "train"), str(data / "test")]
    command += [str(target), str(epochs), str(seed)]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus(threads))
    started = time.perf_counter()
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(threads),
            cwd=BENCH,
            text=True,
        )
    finally:
        os.sched_setaffinity(0, before)
    race = Race(name, seed, [], [])
    assert process.stdout is not None
    for line in process.stdout:
        race.seconds.append(time.perf_counter() - started)
        race.accuracy.append(json.loads(line)["accuracy"])
    if process.wait():
        raise RuntimeError(f"{name} failed; run it by hand: {' '.join(command)}")
    return race


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    try:
        data = write_folders(options.data)
    except NotInstalled as error:
        print(f"FAILED: {error}")
        return 1
    races: list[Race] = []
    for seed in range(options.rounds):
        for name in options.contenders:
            module, install = RACES[name]
            if importlib.util.find_spec(module) is None:
                if seed == 0:
                    print(f"NOT MEASURED: {name}; install it with: {install}")
                continue
            race = run(name, data, options.target, options.epochs, seed, options.threads)
            races.append(race)
            reached = race.time_to(options.target)
            print(
                f"{name}, seed {seed}: "
                + (f"{reached:.1f} s" if reached else "not reached")
                + f", {len(race.accuracy)} epochs, accuracy {race.accuracy[-1]:.4f}",
                flush=True,
            )
    print(f"\n{_summary(races, options.target, options.threads)}")
    if options.json:
        write_json(
            options.json,
            {
                "machine": machine(),
                "target": options.target,
                "threads": options.threads,
                "races": [asdict(race) for race in races],
            },
        )
    return 0


def _summary(races: list[Race], target: float, threads: int) -> str:
    rows = []
    for name in dict.fromkeys(race.name for race in races):
        own = [race for race in races if race.name == name]
        times = [race.time_to(target) for race in own]
        reached = [seconds for seconds in times if seconds is not None]
        epochs = statistics.median(len(race.accuracy) for race in own)
        if len(reached) < len(own):
            text, spread = f"{len(reached)} of {len(own)} got there", ""
        else:
            text = f"{statistics.median(reached):.1f}"
            spread = f"{min(reached):.1f} to {max(reached):.1f}"
        rows.append((name, text, spread, f"{epochs:g}"))
    header = (f"to {target:.3g}, {threads} thread(s)", "seconds", "rounds", "epochs")
    return table(header, rows)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--contenders", nargs="+", choices=list(RACES), default=list(RACES))
    parser.add_argument("--target", type=float, default=0.90)
    parser.add_argument("--epochs", type=int, default=30, help="give up after so many")
    parser.add_argument("--rounds", type=int, default=3, help="one seed each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=BENCH.parent / "build" / "fashion-mnist")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
