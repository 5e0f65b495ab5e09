"""Networks for photos: how fast they are trained and used, and what `nncore train` makes of photos:
``python bench/transfer.py``.

Speed: all layers of EfficientNet-Lite0 and of MobileNetV2 are trained against PyTorch; photos are
looked at against ONNX Runtime and PyTorch; and from 500 JPEG files to a trained head against both,
from the start of the process. Accuracy: `nncore train` without flags on five data sets, against
logistic regressions on pixels and on frozen features.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import transfer_speed
from folders import NotInstalled
from machine import load_warning, machine
from output import write_json
from process import BENCH
from transfer_accuracy import Accuracy, Regressions, nncore_train, summary
from transfer_sets import sources

DATA = ("stamps", "elpv", "digits", "mnist", "fashion")
SPEED = ("train", "look", "head")
NETWORKS = ("lite0", "mobilenetv2")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    report: dict[str, Any] = {"machine": machine(), "threads": options.threads}
    report["races"] = races(options)
    outcomes = accuracies(options)
    if outcomes:
        print(f"\n{summary(outcomes)}")
    report["accuracies"] = [asdict(outcome) for outcome in outcomes]
    if options.json:
        write_json(options.json, report)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--speed", nargs="*", choices=SPEED, default=SPEED)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn (default 4)")
    parser.add_argument("--files", type=int, help="JPEGs for the head (default 500)")
    parser.add_argument("--data", nargs="*", choices=DATA, default=DATA)
    parser.add_argument("--splits", type=int, help="of each data set (default: all)")
    parser.add_argument(
        "--limit", type=int, default=6000, help="pictures of Fashion-MNIST (default 6000; 0: all)"
    )
    parser.add_argument("--flags", default="", help='of nncore train, such as "--backbone none"')
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--root", type=Path, default=BENCH.parent / "build" / "transfer")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    options.root = options.root.resolve()  # trainings run elsewhere
    return options


def races(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What `--speed` asks for, printed as it is measured."""
    done = []
    turns = (options.threads, options.rounds, options.seconds)
    chosen: list[tuple[Any, ...]] = [
        (getattr(transfer_speed, question), network, *turns)
        for question in ("train", "look")
        if question in options.speed
        for network in options.networks
        # The question is what frozen features cost: they are those of a network that knows photos.
        if (question, network) != ("look", "mobilenetv2")
    ]
    if "head" in options.speed:
        wanted = (options.root, options.threads, options.rounds, options.files)
        chosen.append((transfer_speed.head, *wanted))
    for measure, *given in chosen:
        try:
            race = measure(*given)
        except (NotInstalled, FileNotFoundError) as error:
            print(f"NOT MEASURED: {measure.__name__}: {error}")
            continue
        print(f"\n{race}", flush=True)
        done.append(race.to_dict())
    return done


def accuracies(options: argparse.Namespace) -> list[Accuracy]:
    """What `--data` asks for, a line per split as it is measured."""
    found: list[Accuracy] = []
    missing = Regressions.missing()
    if missing and options.data:
        print(f"NOT MEASURED: logistic regressions: {missing}")
    for name in options.data:
        limit = options.limit if name == "fashion" and options.limit else None
        try:
            splits = sources(name, options.root, limit)
        except NotInstalled as error:
            print(f"NOT MEASURED: {name}: {error}")
            continue
        regressions = Regressions(options.threads)
        for number, source in enumerate(splits[: options.splits]):
            own = [] if missing else regressions.accuracies(name, number, source)
            flags = shlex.split(options.flags)
            own.append(nncore_train(name, number, source, options.threads, flags))
            told = ", ".join(f"{one.contender} {one.accuracy:.4f}" for one in own)
            print(f"{name} {number}: {told}", flush=True)
            found += own
    return found


if __name__ == "__main__":
    sys.exit(main())
