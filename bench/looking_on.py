"""What does it cost to look on while a model trains? ``python bench/looking_on.py``

The same training alone, with a live page that nobody opens, with one that another process follows
and, if asked for, with event files for TensorBoard, in turn. Each round gives a ratio to the
training alone of the same round: of the time on the clock, and of the time of all processors in
this process, which other programs disturb less. Many short rounds: what changes slowly is then in
both of a pair.

The answer is the median of the ratios with an interval that holds the true median in 95 of 100
cases, whatever their distribution; it is firm where the whole interval is on one side of the limit.
Some five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import load_warning, machine
from output import table, write_json
from process import drop_misleading

import nncore as nn

IMAGES, VALIDATION = 4000, 1000
LIMIT = 0.02
NETWORKS = {
    "mlp128": [nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(10)],
    "cnn28": [
        *(nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2)),
        *(nn.Conv2D(64, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)),
    ],
}
# Reads what the page at an address is told, as a browser does.
_READER = "import sys, urllib.request as u\nfor _ in u.urlopen(sys.argv[1] + 'events'): pass"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.5, help="about, of each training")
    parser.add_argument("--event-files", action="store_true", help="these, too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    watchers = [name for name in WATCHERS if name != "event files" or options.event_files]
    found = {name: measure(name, options.rounds, options.seconds, watchers) for name in NETWORKS}
    rows = [
        [f"{name}, {watcher}", *(_percent(ratios) for ratios in kinds.values()), verdict(kinds)]
        for name, watchers in found.items()
        for watcher, kinds in watchers.items()
    ]
    header = [
        "training and who looks on",
        "clock",
        "processors",
        f"under {LIMIT:.0%}, by the clock",
    ]
    print(table(header, rows))
    if options.json:
        write_json(options.json, {"machine": machine(), "ratios": found})
    return 0


def measure(
    network: str, rounds: int, seconds: float, watchers: list[str]
) -> dict[str, dict[str, list[float]]]:
    """Of each way to look on the ratio of each round, by the clock and by the processors."""
    _train(network, 1, ())  # the first one makes memory ready
    trial = 8
    clock, _ = _train(network, trial, ())
    epochs = max(2, round(seconds * trial / max(clock, 1e-3)))
    found: dict[str, dict[str, list[float]]] = {
        watcher: {"clock": [], "processors": []} for watcher in watchers if watcher != "nobody"
    }
    for turn in range(rounds):
        took = {}
        first = turn % len(watchers)
        for name in watchers[first:] + watchers[:first]:
            with WATCHERS[name]() as callbacks:
                took[name] = _train(network, epochs, callbacks)
        for name, kinds in found.items():
            for ratios, own, alone in zip(kinds.values(), took[name], took["nobody"], strict=True):
                ratios.append(own / alone)
    return found


def _train(network: str, epochs: int, callbacks: Any) -> tuple[float, float]:
    """Seconds of one training on the clock, and of the processors."""
    x, y = _images(IMAGES, 0)
    model = nn.Sequential(NETWORKS[network])
    model.build((28, 28, 1))
    begun, busy = time.perf_counter(), time.process_time()
    model.fit(
        x, y, validation_data=_images(VALIDATION, 1), epochs=epochs, verbose=0, callbacks=callbacks
    )
    return time.perf_counter() - begun, time.process_time() - busy


def _images(count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = rng.integers(0, 200, (count, 28, 28))
    images[np.arange(count), 2 * labels + 4] += 55
    return images.astype(np.uint8), labels


@contextlib.contextmanager
def _nobody() -> Iterator[list[Any]]:
    yield []


@contextlib.contextmanager
def _page(followed: bool) -> Iterator[list[Any]]:
    with contextlib.ExitStack() as stack:
        live = nn.Live(_images(VALIDATION, 1))
        stack.callback(live.close)
        with contextlib.redirect_stderr(None):
            live.start()
        if followed:
            command = [sys.executable, "-c", _READER, str(live.address)]
            reader = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(reader.kill)
            while not live.watched:
                time.sleep(0.01)
        yield [live]


@contextlib.contextmanager
def _event_files() -> Iterator[list[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        yield [nn.TensorBoard(folder)]


WATCHERS = {
    "nobody": _nobody,
    "a page": lambda: _page(False),
    "a page that is followed": lambda: _page(True),
    "event files": _event_files,
}


def interval(ratios: list[float]) -> tuple[float, float]:
    """Order statistics that enclose the true median in at least 95 of 100 cases; of fewer than six
    ratios the smallest and the largest, which do so less often."""
    ordered, count = sorted(ratios), len(ratios)
    outside, low = 0.0, 0
    while low < (count - 1) // 2:
        # So many of `count` ratios are below the median, and as many above.
        outside += 2 * math.comb(count, low) / 2**count
        if outside > 0.05:
            break
        low += 1
    low = max(low - 1, 0)
    return ordered[low], ordered[count - 1 - low]


def verdict(kinds: dict[str, list[float]]) -> str:
    """Whether looking on costs less than the limit, if the interval says so."""
    low, high = (end - 1 for end in interval(kinds["clock"]))
    return "yes" if high < LIMIT else "no" if low > LIMIT else "not decided"


def _percent(ratios: list[float]) -> str:
    low, high = interval(ratios)
    return f"{median(ratios) - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"


if __name__ == "__main__":
    drop_misleading()
    sys.exit(main())
