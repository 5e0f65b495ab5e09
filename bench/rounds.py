"""Alternating contenders: the same minute for everyone, so that a slow minute is everyone's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Run = Callable[[int], float]  # units of work -> seconds


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work in each round, and how many units a round had."""

    rounds: tuple[float, ...]
    units: int

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest round."""
        return min(self.rounds), max(self.rounds)

    def per(self, parts: float) -> Timing:
        """The same with each unit taken as so many."""
        return Timing(tuple(seconds / parts for seconds in self.rounds), round(self.units * parts))

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median}


def alternate(
    runs: Mapping[str, Run], rounds: int, seconds: float, pause: float = 0.0
) -> dict[str, Timing]:
    """Time each run in turn, round after round.

    Parameters
    ----------
    runs
        By name: does so many units of work and returns how long they took.
    rounds
        Odd numbers have a round in their middle.
    seconds
        About how long each run lasts per round; at least one unit is done.
    pause
        Seconds before each run, in which the former one's idle threads fall asleep.
    """
    units = {}
    for name, run in runs.items():
        run(1)  # warm-up: caches, compilation, lazily made buffers
        units[name] = _fitting_units(run, seconds)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        # Each round begins with another contender, so that nobody always follows the same one.
        names = list(runs)
        names = names[turn % len(names) :] + names[: turn % len(names)]
        for name in names:
            time.sleep(pause)
            times[name].append(runs[name](units[name]) / units[name])
    return {name: Timing(tuple(times[name]), units[name]) for name in runs}


def _fitting_units(run: Run, seconds: float) -> int:
    units, taken = 1, run(1)
    while taken < seconds / 10:
        units *= 4
        taken = run(units)
    return max(1, round(units * seconds / taken))
