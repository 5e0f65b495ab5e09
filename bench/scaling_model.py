"""The model of a training step over n processes, and its assumptions.

A step of a batch B takes fixed + per_image * B / n of computing, and what the processes tell each
other: `calls` sums of `bytes` together. A sum over two costs latency + bytes / bandwidth. By
recursive halving and doubling over n = 2^k processes it takes 2 k messages and moves 2 (n - 1) / n
of the vector, so k times the latency and 2 (n - 1) / n times the bytes of two. All wait for the
slowest: of n normal times with deviation s the largest is about s sqrt(2 ln n) above the mean.
Nothing overlaps, and each node reads its pictures from its own cache, faster than it trains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Step:
    """A measured step: the median of what it took and what it told; `spread` is the deviation over
    the median."""

    network: str
    parameters: int
    batch: int
    seconds: float
    mean: float
    spread: float
    calls: float
    bytes: float
    telling: float
    overlaps: bool  # whether sums were begun while gradients were still computed


@dataclass(frozen=True)
class Cost:
    """Of computing a step: seconds by itself and for each image."""

    fixed: float
    per_image: float


@dataclass(frozen=True)
class Link:
    """Seconds of a sum of nothing over two processes, and bytes that it sums per second."""

    latency: float
    bytes_per_second: float


# Assumed, of sums over two nodes: message and software both ways; the bytes there are added, too.
LINKS = {
    "10 Gb/s Ethernet": Link(60e-6, 1.0e9),
    "25 Gb/s Ethernet": Link(40e-6, 2.4e9),
    "100 Gb/s InfiniBand": Link(6e-6, 8e9),
}


def fitted(steps: Sequence[Step]) -> Cost:
    """To steps of one process, by least relative squares; neither cost is below 0."""
    rows = np.array([[1.0, step.batch] for step in steps])
    seconds = np.array([step.seconds for step in steps])
    (fixed, per_image), *_ = np.linalg.lstsq(
        rows / seconds[:, np.newaxis], np.ones(len(seconds)), rcond=None
    )
    if fixed < 0:
        return Cost(0.0, float((seconds / rows[:, 1]).mean()))
    return Cost(float(fixed), float(max(per_image, 0.0)))


def told_of(link: Link, calls: float, size: float, processes: int) -> tuple[float, float]:
    """Seconds of latency and of bandwidth that sums take."""
    levels = math.ceil(math.log2(processes))
    moved = 2 * (processes - 1) / processes
    return calls * link.latency * levels, size * moved / link.bytes_per_second


def seconds_of(cost: Cost, batch: int, processes: int, told: Step, link: Link) -> float:
    """A step of a batch on so many processes, which tell what `told` does."""
    telling = sum(told_of(link, told.calls, told.bytes, processes))
    return cost.fixed + cost.per_image * batch / processes + telling


def efficiency(
    cost: Cost, share: int, nodes: int, told: Step, link: Link, cores: int, spread: float
) -> dict[str, float]:
    """Of nodes that have `share` images each: which part of the time they compute, and which parts
    go to what."""
    computing = cost.fixed + cost.per_image * share / cores
    latency, bandwidth = told_of(link, told.calls, told.bytes, nodes)
    stragglers = computing * spread * math.sqrt(2 * math.log(nodes))
    total = computing + latency + bandwidth + stragglers
    parts = {"latency": latency, "bandwidth": bandwidth, "stragglers": stragglers}
    shares = {name: seconds / total for name, seconds in parts.items()}
    return {"efficiency": computing / total, "step": total, **shares}
