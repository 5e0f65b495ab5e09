"""What `nncore train FOLDER` reaches without flags, and when: ``python bench/recipes.py``.

Each data set is a folder with the parts train and test (`folders.py`); the clock runs from the
start of the process, reading and plots included. With ``--mlp`` scikit-learn's MLPClassifier, with
its own defaults, trains on the same images.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from folders import FOLDERS, NotInstalled, written
from machine import load_warning, machine
from output import table, write_json
from plot_recipes import plot
from process import BENCH, cpus, environment
from recipe_outcome import Outcome

_MLP = """
import sys, time
started = time.perf_counter()
import nncore as nn
from sklearn.neural_network import MLPClassifier
train, test = (nn.ImageDataset.from_folder(f"{sys.argv[1]}/{part}") for part in ("train", "test"))
def rows(data):
    return data.images.reshape(len(data), -1) / 255
model = MLPClassifier(random_state=int(sys.argv[2])).fit(rows(train), train.labels)
print(model.score(rows(test), test.labels))
"""


def train(folder: Path, seed: int, threads: int, flags: list[str]) -> Outcome:
    """`nncore train` in a process of its own, without a cache."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "nncore", "train", str(folder), "--seed", str(seed)]
        command += ["--output", place, "--cache", "off", "--json", "--quiet", *flags]
        out, seconds = _timed(command, threads)
        told = json.loads(out)
        with open(Path(told["run"]) / "history.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    name = " ".join(["nncore train", *flags])
    curves = tuple(
        tuple(float(row[column]) for row in rows) for column in ("accuracy", "val_accuracy")
    )
    return Outcome(name, folder.name, seed, told["accuracy"], seconds, told["epochs"], curves)


def mlp(folder: Path, seed: int, threads: int) -> Outcome:
    """scikit-learn's MLPClassifier."""
    out, seconds = _timed(
        [sys.executable, "-W", "ignore", "-c", _MLP, str(folder), str(seed)], threads
    )
    return Outcome("MLPClassifier", folder.name, seed, float(out), seconds)


def _timed(command: list[str], threads: int) -> tuple[str, float]:
    started = time.perf_counter()
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, sorted(cpus(threads)))), *command],
        capture_output=True,
        text=True,
        env=environment(threads),
        cwd=BENCH,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"failed: {shlex.join(command)}\n{done.stderr}")
    return done.stdout, seconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = [name for name in FOLDERS if name != "fashion-few"]  # border.py's part of fashion
    parser.add_argument("--data", nargs="+", choices=known, default=known)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flags", default="", help='flags for nncore train, such as "--width 32"')
    parser.add_argument("--mlp", action="store_true", help="scikit-learn's MLPClassifier, too")
    parser.add_argument("--root", type=Path, default=BENCH.parent / "build" / "recipes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="draw the curves of the first seeds")
    options = parser.parse_args(arguments)
    warning = load_warning()
    if warning:
        print(f"WARNING: {warning}")
    outcomes: list[Outcome] = []
    for name in options.data:
        for seed in range(options.seeds):
            try:
                folder = written(name, options.root, seed)
            except NotInstalled as error:
                print(f"NOT MEASURED: {name}: {error}")
                break
            outcomes.append(train(folder, seed, options.threads, shlex.split(options.flags)))
            if options.mlp and importlib.util.find_spec("sklearn") is not None:
                outcomes.append(mlp(folder, seed, options.threads))
            last = outcomes[-1]
            print(
                f"{last.data}: {last.contender} {last.accuracy:.4f}, {last.seconds:.1f} s",
                flush=True,
            )
    print(f"\n{_summary(outcomes)}")
    if options.plot:
        plot([one for one in outcomes if one.curves and one.seed == 0], options.plot)
    if options.json:
        facts = {"machine": machine(), "threads": options.threads}
        write_json(options.json, facts | {"outcomes": [asdict(outcome) for outcome in outcomes]})
    return 0


def _summary(outcomes: list[Outcome]) -> str:
    """One row per data set and contender, over the seeds."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault((one.data.rsplit("-", 1)[0], one.contender), []).append(one)
    rows = []
    for (data, contender), own in groups.items():
        rows.append(
            (
                data,
                contender,
                f"{statistics.median(one.accuracy for one in own):.4f}",
                " ".join(f"{one.accuracy:.4f}" for one in own),
                f"{statistics.median(one.seconds for one in own):.1f}",
            )
        )
    return table(("data", "contender", "median accuracy", "by seed", "seconds"), rows)


if __name__ == "__main__":
    sys.exit(main())
