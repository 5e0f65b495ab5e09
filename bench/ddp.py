"""Training by two processes: nncore under mpiexec against PyTorch's DistributedDataParallel.

python bench/ddp.py --json ddp.json           # under 3 minutes
python bench/ddp.py --networks cnn28 --rounds 1

Both train the same network from the same weights on the same batches in the same order, by plain
SGD, one thread to a process, and are started by the same mpiexec; they take turns. Before any
timing their losses are compared, step by step. Where a network has batch normalization the losses
may differ by more: PyTorch normalizes each process's part of a batch for itself, nncore all of it.

nncore alone, one process with one thread, takes its turns, too: how much faster two are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import load_warning, machine
from output import table, write_json
from process import BENCH, environment
from ranks import RANKS
from ranks.base import write

if TYPE_CHECKING:
    import nncore as nn

PROCESSES = 2
ALONE = "nncore, 1 process"


@dataclass(frozen=True)
class Work:
    """A network, how it is trained, and how far losses may differ, relatively."""

    build: Callable[[], nn.Sequential]
    batch: int
    steps: int  # of an epoch
    timed: int  # epochs
    learning_rate: float
    tolerance: float


def _cnn28() -> nn.Sequential:
    import nncore as nn

    first = nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2)
    second = nn.Conv2D(64, 3, activation="relu"), nn.MaxPool2D(2)
    model = nn.Sequential([*first, *second, nn.Flatten(), nn.Dense(10)])
    model.build((28, 28, 1))
    return model


def _resnet() -> nn.Sequential:
    import nncore as nn
    from nncore.layers.presets import resnet

    model = nn.Sequential(resnet(10, (28, 28, 1)))
    model.build((28, 28, 1))
    return model


def _lite0() -> nn.Sequential:
    import nncore as nn

    return nn.backbone("efficientnet-lite0", 5, trainable=True)


WORKS = {
    "cnn28": Work(_cnn28, 128, 16, 12, 0.05, 1e-3),
    "resnet": Work(_resnet, 128, 8, 4, 0.02, 0.1),
    "lite0": Work(_lite0, 32, 2, 1, 1e-3, 1e-3),
}


class DifferentWork(RuntimeError):
    """The losses of contenders differ."""


def ask(name: str, folder: Path, work: Work, processes: int) -> dict[str, Any]:
    """What so many processes of a contender tell."""
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    started = ["mpiexec", "-n", str(processes)] if processes > 1 else []
    done = subprocess.run(
        [*started, sys.executable, "-m", "ranks", name, str(folder), "1", str(work.timed)],
        env={**environment(1), **root},
        cwd=BENCH,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(losses: dict[str, list[float]], tolerance: float) -> None:
    """All learn, and the same, as far as they can."""
    name, first = next(iter(losses.items()))
    if not first[-1] < first[0]:
        raise DifferentWork(f"{name}: the loss does not fall: {first}")
    for other, values in losses.items():
        for step, (one, another) in enumerate(zip(first, values, strict=True), 1):
            if not abs(one - another) <= tolerance * abs(one):  # NaN fails
                raise DifferentWork(
                    f"step {step}: the loss is {one:.6f} by {name}, {another:.6f} by {other}"
                )


def measure(work: Work, names: list[str], rounds: int) -> dict[str, Any]:
    """Seconds per step by contender: of all their runs."""
    runs = {name: (name, PROCESSES) for name in names} | {ALONE: ("nncore", 1)}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    losses, versions = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), work.build(), work.batch, work.steps, work.learning_rate)
        for _ in range(rounds):
            for name, (contender, processes) in runs.items():
                told = ask(contender, Path(folder), work, processes)
                seconds[name] += told["seconds"]
                losses[name], versions[contender] = told["losses"], told["versions"]
            check(losses, work.tolerance)
    if losses["nncore"] != losses[ALONE]:
        raise DifferentWork("nncore's losses depend on the number of processes")
    return {"batch": work.batch, "seconds": seconds, "losses": losses, "versions": versions}


def shown(name: str, result: dict[str, Any]) -> str:
    """A table; ratios are of medians."""
    medians = {who: statistics.median(times) for who, times in result["seconds"].items()}
    rows = [
        (
            who,
            f"{1e3 * medians[who]:.2f}",
            f"{1e3 * min(times):.2f} to {1e3 * max(times):.2f}",
            f"{medians[who] / medians['nncore']:.2f} x",
        )
        for who, times in result["seconds"].items()
    ]
    head = f"{name}, batch {result['batch']}, {PROCESSES} processes of one thread"
    return f"{head}\n{table(('contender', 'ms/step', 'all', 'of nncore'), rows)}\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    names = []
    for name, contender in RANKS.items():
        missing = contender.missing()
        if missing:
            print(f"NOT MEASURED: {name} needs {', '.join(missing)}: {contender.install}")
        else:
            names.append(name)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    results = {}
    for name in args.networks:
        results[name] = measure(WORKS[name], names, args.rounds)
        print(shown(name, results[name]), flush=True)
        if args.json:
            write_json(args.json, {"machine": machine(), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
