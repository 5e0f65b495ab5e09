"""Where a network that knows photos begins to pay, and where it ends: ``python bench/border.py``.

Both ways of `nncore train` learn the same few pictures of each class: on EfficientNet-Lite0, and
from scratch (`--backbone none`). Small pictures are on one side of `--model auto`'s border, photos
and cells on the other; NAME@SIDE is a data set made smaller, so that its shorter sides have so many
pixels. What is tested has not been drawn for training in any row of the same seed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import folders
import numpy as np
from folders import NotInstalled
from machine import load_warning
from output import table, write_json
from PIL import Image
from process import BENCH
from transfer_accuracy import nncore_train
from transfer_sets import Row, elpv, stamps, written_table

DATA = ("digits", "mnist", "fashion-few", "stamps", "stamps@32", "elpv", "elpv@32")
PER_CLASS = (5, 20, 100)
MOST_TESTED = 300  # in all, of each class as many
WAYS = {"pretrained": "efficientnet-lite0", "from scratch": "none"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", default=DATA, help="names, or NAME@SIDE")
    parser.add_argument("--per-class", nargs="+", type=int, default=PER_CLASS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--root", type=Path, default=BENCH.parent / "build" / "transfer")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    root = options.root.resolve()  # trainings run elsewhere
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    found: dict[tuple[str, int], dict[str, list[float]]] = {}
    for name in options.data:
        try:
            rows = pictures(name, root)
        except NotInstalled as error:
            print(f"NOT MEASURED: {name}: {error}")
            continue
        for count, source in draws(name, rows, options.per_class, options.seeds, root):
            for way, backbone in WAYS.items():
                flags = ["--backbone", backbone, "--cache", str(root / "cache")]
                one = nncore_train(name, count, source, options.threads, flags)
                found.setdefault((name, count), {}).setdefault(way, []).append(one.accuracy)
                print(f"{source.stem}, {way}: {one.accuracy:.4f}, {one.seconds:.1f} s", flush=True)
    print(f"\n{summary(found)}")
    if options.json:
        rows = [{"data": name, "per_class": n, **ways} for (name, n), ways in found.items()]
        write_json(options.json, {"accuracies": rows})
    return 0


def pictures(name: str, root: Path) -> list[Row]:
    """All pictures of a data set with their classes, made smaller if the name says so.

    Raises
    ------
    NotInstalled
        What it is made from is missing.
    """
    name, _, side = name.partition("@")
    if name == "stamps":
        rows = stamps()
    elif name == "elpv":
        rows = elpv(root / "elpv")
    else:
        place = folders.written(name, root)
        rows = [(path.absolute(), path.parent.name) for path in sorted(place.glob("*/*/*.png"))]
    if not side:
        return rows
    smaller = root / f"{name}-{int(side)}"
    return [(_smaller(path, smaller, int(side)), label) for path, label in rows]


def _smaller(path: Path, folder: Path, side: int) -> Path:
    made = folder / "-".join(path.parts[-3:])
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            factor = side / min(image.size)
            size = tuple(max(side, round(length * factor)) for length in image.size)
            image.resize(size, Image.Resampling.LANCZOS).save(made)
    return made


def draws(
    name: str, rows: Sequence[Row], per_class: Sequence[int], seeds: int, root: Path
) -> list[tuple[int, Path]]:
    """Tables of so many training pictures of each class, one per seed, with their numbers.

    Of small classes at most four fifths are for training; a number for which most are too small is
    left out.
    """
    labels = np.array([label for _, label in rows])
    classes = {label: np.flatnonzero(labels == label) for label in sorted(set(labels))}
    most = {label: int(0.8 * len(own)) for label, own in classes.items()}
    counts = [count for count in per_class if count <= statistics.median(most.values())]
    tables = []
    for count in counts:
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            drawn, parts = [], []
            for label, own in classes.items():
                order = rng.permutation(own)
                trained = order[: min(count, most[label])]
                tested = order[min(max(counts), most[label]) :][: MOST_TESTED // len(classes)]
                drawn += [*trained, *tested]
                parts += ["train"] * len(trained) + ["test"] * len(tested)
            path = root / "border" / f"{name}-{count}-{seed}.csv"
            tables.append((count, written_table(path, [rows[i] for i in drawn], parts)))
    return tables


def summary(found: dict[tuple[str, int], dict[str, list[float]]]) -> str:
    """A row per data set and number of pictures: means over the seeds, with lowest and highest."""
    rows = []
    for (name, count), ways in found.items():
        cells = [
            f"{statistics.fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
            for values in (ways[way] for way in WAYS)
        ]
        rows.append((name, str(count), *cells))
    return table(("data", "of each class", *WAYS), rows)


if __name__ == "__main__":
    sys.exit(main())
