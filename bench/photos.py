"""Photos of full size, 224 x 224: ``python bench/photos.py``.

ResNet18 and MobileNetV2 with batch normalizations and first weights: all layers trained in batches
of 16 photos; class probabilities of 16 photos per call, and of one; on one thread and on two. The
others are PyTorch channels-last, and where nothing is trained ONNX Runtime. Each is a process of
its own; they take turns, and must agree on probabilities and first losses before anything is timed.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from folders import NotInstalled
from machine import load_warning, machine
from output import write_json
from transfer_speed import BATCH, Race, look, train

NETWORKS = ("resnet18", "mobilenetv2")
Measure = Callable[[str, int, int, float], Race]
QUESTIONS: dict[str, Measure] = {
    "train": train,
    "look": functools.partial(look, batch=BATCH),
    "one": functools.partial(look, batch=1),
}


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    report = {"machine": machine(), "races": races(options)}
    if options.json:
        write_json(options.json, report)
    return 0 if report["races"] else 1


def races(options: argparse.Namespace) -> list[dict[str, object]]:
    """What is asked for, printed as it is measured."""
    done = []
    for network in options.networks:
        for question in options.questions:
            for threads in options.threads:
                measure = QUESTIONS[question]
                try:
                    race = measure(network, threads, options.rounds, options.seconds)
                except NotInstalled as error:
                    print(f"NOT MEASURED: {error}")
                    return done
                print(f"\n{race}", flush=True)
                done.append({"question": question, "threads": threads, **race.to_dict()})
    return done


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--questions", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn (default 4)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
