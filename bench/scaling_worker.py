"""One process of `scaling.py`: trains each network at each batch size, and times the link."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import numpy as np

import nncore as nn
from nncore.distributed import World, world
from nncore.layers.efficientnet_lite import VARIANTS, efficientnet_lite
from nncore.layers.presets import mlp, resnet

SMALL = (28, 28, 1)
# Shape of the images, and the two batch sizes.
SIZES: dict[str, tuple[tuple[int, int, int], tuple[int, int]]] = {
    "cnn28": (SMALL, (64, 256)),
    "resnet": (SMALL, (64, 256)),
    "lite0": ((224, 224, 3), (8, 32)),
}
_VECTORS = (1, 1 << 12, 1 << 16, 1 << 20, 1 << 22)  # floats


class Told:
    """What goes between the processes, counted by taking the place of `World`'s methods."""

    def __init__(self) -> None:
        self.calls, self.bytes, self.seconds = 0, 0, 0.0
        for name in ("sum", "gather_rows"):
            setattr(World, name, self._counted(getattr(World, name)))

    def _counted(self, method: Any) -> Any:
        def counted(which: World, values: Any, *rest: Any) -> Any:
            begun = time.perf_counter()
            result = method(which, values, *rest)
            self.seconds += time.perf_counter() - begun
            self.calls += 1
            self.bytes += values.nbytes
            return result

        return counted


def network(name: str) -> nn.Sequential:
    if name.startswith("mlp"):
        return nn.Sequential(mlp(10, (int(name[3:]),)))
    if name == "cnn28":
        first = nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2)
        second = nn.Conv2D(64, 3, activation="relu"), nn.MaxPool2D(2)
        return nn.Sequential([*first, *second, nn.Flatten(), nn.Dense(10)])
    if name == "resnet":
        return nn.Sequential(resnet(10, SMALL))
    return nn.Sequential([*efficientnet_lite(VARIANTS["efficientnet-lite0"]), nn.Dense(10)])


def measured(name: str, batch: int, seconds: float, told: Told) -> dict[str, Any]:
    """Steps of one batch size: epochs of as many as take about a quarter of the time."""
    shape, _ = SIZES.get(name, (SMALL, (64, 256)))
    rng = np.random.default_rng(0)

    def data(steps: int) -> tuple[Any, Any]:
        count = steps * batch
        return rng.integers(0, 256, (count, *shape), np.uint8), rng.integers(0, 10, count)

    model = network(name)
    few = data(2)
    model.fit(*few, epochs=2, batch_size=batch, optimizer=nn.SGD(1e-4), verbose=0)
    one = model.history.seconds[-1] / 2
    steps = world().from_first(max(2, min(200, round(seconds / 4 / one))))
    many = data(steps)
    calls, size, telling = told.calls, told.bytes, told.seconds
    model.fit(*many, epochs=5, batch_size=batch, optimizer=nn.SGD(1e-4), verbose=0)
    total = 5 * steps
    times = [epoch / steps for epoch in model.history.seconds]
    return {
        "network": name,
        "parameters": model.parameter_count,
        "batch": batch,
        "seconds": statistics.median(times),
        "spread": statistics.pstdev(times) / statistics.fmean(times),
        "calls": (told.calls - calls) / total,
        "bytes": (told.bytes - size) / total,
        "telling": (told.seconds - telling) / total,
    }


def link() -> dict[str, float]:
    """Of sums over all processes, by vectors of several lengths: the least of many each."""
    sizes, seconds = [], []
    for length in _VECTORS:
        values, times = np.zeros(length, np.float32), []
        for _ in range(200 if length < 1 << 18 else 20):
            world().wait_for_all()
            begun = time.perf_counter()
            world().sum(values)
            times.append(time.perf_counter() - begun)
        sizes.append(4.0 * length)
        seconds.append(statistics.median(times))
    rows = np.stack([np.ones(len(sizes)), sizes], axis=1) / np.array(seconds)[:, np.newaxis]
    (latency, per_byte), *_ = np.linalg.lstsq(rows, np.ones(len(sizes)), rcond=None)
    return {"latency": float(max(latency, 0.0)), "bytes_per_second": 1 / float(per_byte)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    joined = None if world().alone else link()
    told = Told()
    steps = [
        measured(name, batch, args.seconds, told)
        for name in args.networks
        for batch in SIZES.get(name, (SMALL, (64, 256)))[1]
    ]
    if world().first:
        json.dump({"steps": steps, "link": joined, "threads": nn.get_num_threads()}, sys.stdout)


if __name__ == "__main__":
    main()
