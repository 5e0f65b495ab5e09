"""One process of `scaling.py`: trains each network at each batch size, and times the link."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import nncore as nn
from nncore import _core
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
_TELLING = ("sum", "begin sum", "finish sums", "gather")  # while nothing else is done
_VECTORS = (1, 1 << 12, 1 << 16, 1 << 20, 1 << 22)  # floats


class Counted:
    """What the engine asks for, counted on its way."""

    def __init__(self) -> None:
        self.others = world().for_engine()
        self.rank, self.size = world().rank, world().size
        self.calls, self.bytes = 0, 0

    def sum(self, values: Any) -> None:
        self.others.sum(values)
        self._count(values)

    def gather_rows(self, rows: Any, begins: list[int]) -> None:
        self.others.gather_rows(rows, begins)
        self._count(rows)

    def _count(self, values: Any) -> None:
        self.calls += 1
        self.bytes += values.nbytes


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


def measured(name: str, batch: int, seconds: float) -> tuple[dict[str, Any], list[Any]]:
    """Steps of one batch size, about so long; and what they spent their time on."""
    shape, _ = SIZES.get(name, (SMALL, (64, 256)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4 * batch, *shape), np.uint8)
    labels = rng.integers(0, 10, len(images), np.int32)
    model = network(name)
    model.build(shape)
    engine, optimizer = model._built_network(), _core.Optimizer(1e-4)

    def steps(number: int, **given: Any) -> None:
        order = np.arange(number * batch, dtype=np.int32) % len(images)
        engine.train_steps(images, labels, order, batch, "cross_entropy", optimizer, **given)

    counted = None if world().alone else Counted()
    steps(1, exchange=counted)  # which makes memory ready, too
    begun = time.perf_counter()
    steps(2, exchange=world().for_engine())
    one = (time.perf_counter() - begun) / 2
    number = world().from_first(max(5, min(1000, round(seconds / one))))
    trace = _core.Trace(number * 1000)
    steps(number, exchange=world().for_engine(), trace=trace)
    events = trace.events()
    times = [1e-9 * (end - begin) for what, _, begin, end in events if what == "step"]
    telling = [1e-9 * (end - begin) for what, _, begin, end in events if what in _TELLING]
    low, median, high = np.quantile(times, [0.16, 0.5, 0.84]).tolist()
    found = {
        "network": name,
        "parameters": model.parameter_count,
        "batch": batch,
        "seconds": median,
        "mean": statistics.fmean(times),
        "spread": (high - low) / 2 / median,
        "calls": 0 if counted is None else counted.calls,
        "bytes": 0 if counted is None else counted.bytes,
        "telling": sum(telling) / number,
        "overlaps": any(what == "begin sum" for what, *_ in events),
    }
    return found, events


def link() -> dict[str, float]:
    """Of sums over all processes, by vectors of several lengths: the least of many each."""
    sizes, seconds, others = [], [], world().for_engine()
    for length in _VECTORS:
        values, times = np.zeros(length, np.float32), []
        for _ in range(200 if length < 1 << 18 else 20):
            world().wait_for_all()
            begun = time.perf_counter()
            others.sum(values)
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
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--without-overlap", action="store_true")
    args = parser.parse_args()
    if args.without_overlap:
        World.background = property(lambda self: None)  # type: ignore[assignment]
    joined = None if world().alone else link()
    steps, traced = [], []
    for name in args.networks:
        for batch in SIZES.get(name, (SMALL, (64, 256)))[1]:
            found, events = measured(name, batch, args.seconds)
            steps.append(found)
            traced += chrome(f"{name}, batch {batch}", events)
    all_traced = world().all_of(traced)
    if world().first:
        if args.trace:
            args.trace.write_text(json.dumps([one for rank in all_traced for one in rank]) + "\n")
        json.dump({"steps": steps, "link": joined, "threads": nn.get_num_threads()}, sys.stdout)


def chrome(work: str, events: list[Any]) -> list[dict[str, Any]]:
    """The last three steps as chrome://tracing and ui.perfetto.dev take them: a row for each
    process, and one for the sums that go on while it computes."""
    begins = [begin for what, _, begin, _ in events if what == "step"][-3:]
    rank = str(world().rank)
    rows = [(rank, *event) for event in events]
    if world().for_engine() is world() and world().background is not None:
        rows += [(f"{rank}, sums", "sum", -1, *span) for span in world().background.spans]
    return [
        {
            "name": what if stage < 0 else f"{what} {stage}",
            "cat": work,
            "ph": "X",
            "pid": work,
            "tid": row,
            "ts": begin / 1000,
            "dur": (end - begin) / 1000,
        }
        for row, what, stage, begin, end in rows
        if begin >= begins[0]
    ]


if __name__ == "__main__":
    main()
