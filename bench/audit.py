"""Does `nncore audit` find wrong labels? ``python bench/audit.py``

A twentieth of the labels is made wrong by a seed; counted is which part of them is among the first
twentieth of the pictures to look at, by nncore and, on the same probabilities, by cleanlab. Then
`nncore train` learns from the planted labels, from what a person makes of them who looks at that
twentieth alone, and from the right ones, and is tested on clean pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from audit_task import Found, measure
from folders import NotInstalled
from machine import load_warning, machine
from output import table, write_json
from process import BENCH, drop_misleading
from transfer_sets import FOLDS, sources

DATA = ("mnist", "fashion", "stamps")
FASHION = 10_000


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    found: list[Found] = []
    for name in options.data:
        try:
            splits = sources(name, options.root)
        except NotInstalled as error:
            print(f"NOT MEASURED: {name}: {error}")
            continue
        limit = options.limit if name == "fashion" else None
        # Photos are few: each of the five splits of them is a try of its own.
        tries = range(FOLDS if len(splits) > 1 else options.seeds)
        for seed in tries:
            source = splits[seed % len(splits)]
            place = options.root / "audits" / f"{name}-{seed}"
            one = measure(name, seed, source, place, options.threads, limit, options.train)
            print(f"{name} {seed}: {_line(one)}", flush=True)
            found.append(one)
    if found:
        print(f"\n{summary(found)}")
    if options.json:
        report = {"machine": machine(), "threads": options.threads}
        write_json(options.json, report | {"audits": [asdict(one) for one in found]})
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--seeds", type=int, default=1, help="of MNIST and Fashion-MNIST")
    parser.add_argument(
        "--limit", type=int, default=FASHION, help=f"pictures of Fashion-MNIST (default {FASHION})"
    )
    parser.add_argument(
        "--train",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also train on what comes of it (on by default)",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--root", type=Path, default=BENCH.parent / "build" / "transfer")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    options.root = options.root.resolve()  # trainings run elsewhere
    return options


def _line(one: Found) -> str:
    ranked = ", ".join(f"{name} {part:.3f}" for name, part in one.rankings.items())
    trained = ", ".join(f"{name} {value:.4f}" for name, value in one.accuracies.items())
    return (
        f"{one.planted} of {one.images} labels planted, {one.estimated} estimated; found: "
        f"{ranked}; accuracy: {trained or 'not measured'}; {one.seconds:.1f} s, "
        f"{one.cpu_seconds:.1f} s of CPU, load {one.load:.1f}"
    )


def summary(found: Sequence[Found]) -> str:
    """A row per data set: what is found of all planted errors, and means of the rest."""
    rows = []
    rankings = list(dict.fromkeys(name for one in found for name in one.rankings))
    for data in dict.fromkeys(one.data for one in found):
        own = [one for one in found if one.data == data]
        planted = sum(one.planted for one in own)
        parts = [
            sum(one.planted * one.rankings.get(name, 0) for one in own) / planted
            for name in rankings
        ]
        accuracies = [
            f"{fmean(one.accuracies[name] for one in own):.4f}" if own[0].accuracies else ""
            for name in ("planted", "audited", "clean")
        ]
        seconds = f"{fmean(one.seconds for one in own):.0f}"
        cells = [data, f"{own[0].images:,}", str(planted), *(f"{part:.3f}" for part in parts)]
        rows.append((*cells, *accuracies, seconds))
    header = ("data", "images", "planted", *rankings, "acc. planted", "audited", "clean", "s")
    return table(header, rows)


if __name__ == "__main__":
    drop_misleading()
    sys.exit(main())
