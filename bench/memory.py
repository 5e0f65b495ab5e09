"""Peak memory of training all layers of a network for photos: ``python bench/memory.py nncore``.

One library per process, batch sizes from the smallest to the largest. Linux alone tells the peak of
a part of a process's life.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import photo_task
from output import table

LIBRARIES = ("nncore", "torch")
NETWORKS = {"lite0": photo_task.lite0, "mobilenetv2": photo_task.mobilenet_v2}
STEPS, THREADS = 2, 2
_SELF = Path("/proc/self")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("--network", choices=list(NETWORKS), default="lite0")
    parser.add_argument("--batches", nargs="+", type=int, default=(8, 16, 32))
    options = parser.parse_args(arguments)
    rows, before = [], None
    for batch in sorted(options.batches):
        train = prepared(options.library, options.network, batch)
        before = resident("VmRSS") if before is None else before
        peak = peak_of(train)
        rows.append((str(batch), f"{peak:,.0f}", f"{peak - before:,.0f}"))
    print(table(("batch", "peak, MB", "above what was there before, MB"), rows))
    return 0


def prepared(library: str, network: str, batch: int) -> Callable[[], object]:
    """What trains `STEPS` steps, ready to begin."""
    import nncore as nn

    model = NETWORKS[network]()
    images, labels = photo_task.photos(batch)
    rate = 0.01
    if library == "nncore":
        nn.set_num_threads(THREADS)
        optimizer = nn.SGD(rate)
        return lambda: model.fit(
            images, labels, epochs=STEPS, batch_size=batch, optimizer=optimizer, verbose=0
        )
    from networks.torch_network import Network

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "task"
        facts = {"batch": batch, "learning_rate": rate, "threads": THREADS}
        photo_task.write_task(folder, model, images, labels, **facts)
        other = Network(photo_task.Task.load(folder))
    return lambda: other.train(STEPS)


def peak_of(work: Callable[[], object]) -> float:
    """The largest resident memory of this process meanwhile, in MB."""
    (_SELF / "clear_refs").write_text("5")  # the peak begins anew
    work()
    return resident("VmHWM")


def resident(name: str) -> float:
    """VmRSS (now) or VmHWM (the peak), in MB."""
    lines = (_SELF / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024 / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
