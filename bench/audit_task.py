"""Wrong labels planted by a seed, and how many of them are found: what `audit.py` measures."""

from __future__ import annotations

import csv
import importlib.util
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from transfer_accuracy import nncore_train

if TYPE_CHECKING:
    from nncore.auditing import Audit

PLANTED = 0.05
REVIEWED = 0.05


@dataclass(frozen=True)
class Planted:
    """Labelled pictures, some training labels of which are wrong: `labels` are what the tables say,
    `true` what they were."""

    paths: list[str]
    labels: list[str]
    true: list[str]
    parts: list[str]

    def write(self, path: Path, labels: Sequence[str], whole: bool) -> Path:
        """A table with these labels: of all pictures and their parts, or of the training part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("path", "label", "split") if whole else ("path", "label"))
            for row in zip(self.paths, labels, self.parts, strict=True):
                if whole or row[2] == "train":
                    table.writerow(row if whole else row[:2])
        return path

    @property
    def wrong(self) -> set[str]:
        """Paths whose label is wrong."""
        rows = zip(self.paths, self.labels, self.true, strict=True)
        return {path for path, label, true in rows if label != true}


def planted(source: Path, seed: int, limit: int | None = None) -> Planted:
    """The pictures of a folder or a table with the parts train and test; a twentieth of the
    training labels is another one, any of the others with the same chance."""
    from nncore.data.sources.listing import list_source

    found = list_source(source)
    assert found.parts is not None
    names, rng = found.classes.names, np.random.default_rng(seed)
    train = [i for i, part in enumerate(found.parts) if part == "train"]
    dropped = set() if limit is None else set(rng.permutation(train)[limit:].tolist())
    kept = [i for i in range(len(found.paths)) if i not in dropped]
    true = [names[found.labels[i]] for i in kept]
    parts = [found.parts[i] for i in kept]
    labels, places = list(true), [i for i, part in enumerate(parts) if part == "train"]
    for i in rng.choice(places, round(PLANTED * len(places)), replace=False).tolist():
        labels[i] = str(rng.choice([name for name in names if name != true[i]]))
    return Planted([os.path.abspath(found.paths[i]) for i in kept], labels, true, parts)


@dataclass(frozen=True)
class Found:
    """What one audit of planted errors came to.

    `rankings` has the part of them among the first twentieth, by who ranks. `seconds` are from the
    files to the table, `cpu_seconds` of all threads, `load` is the machine's at the beginning.
    `accuracies` are on clean test pictures, by which labels were learned from.
    """

    data: str
    seed: int
    images: int
    planted: int
    estimated: int
    rankings: dict[str, float]
    seconds: float
    cpu_seconds: float
    load: float
    accuracies: dict[str, float] = field(default_factory=dict)


def measure(
    data: str, seed: int, source: Path, place: Path, threads: int, limit: int | None, train: bool
) -> Found:
    """Plant, audit, compare with cleanlab, and train on what comes of it."""
    task = planted(source, seed, limit)
    table = task.write(place / "planted.csv", task.labels, whole=False)
    load, begun, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
    found = _audited(table, place, seed, threads)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    few = math.ceil(REVIEWED * len(found.data))
    own = [found.data.paths[i] for i in (one.position for one in found.suspects[:few])]
    rankings = {"nncore": _recall(own, task)}
    for name, order in cleanlab_orders(found).items():
        rankings[name] = _recall([found.data.paths[i] for i in order[:few].tolist()], task)
    accuracies = _trained(data, seed, task, found, few, place, threads) if train else {}
    return Found(
        data,
        seed,
        len(found.data),
        len(task.wrong),
        found.estimated_errors,
        rankings,
        seconds,
        cpu,
        load,
        accuracies,
    )


def _audited(table: Path, place: Path, seed: int, threads: int) -> Audit:
    """As `nncore audit TABLE`, without a cache."""
    import nncore as nn
    from nncore.cli.output import Output
    from nncore.cli.parser import parse
    from nncore.cli.verbs.audit import audited

    nn.set_num_threads(threads)
    words = ["audit", str(table), "--cache", "off", "--seed", str(seed), "--output", str(place)]
    found = audited(parse(words).settings, Output(quiet=True))
    found.write_csv(place / "audit.csv")
    return found


def _recall(paths: Sequence[str], task: Planted) -> float:
    return len(task.wrong.intersection(paths)) / len(task.wrong)


def cleanlab_orders(found: Audit) -> dict[str, NDArray[np.integer]]:
    """All images in the order in which cleanlab would look at them, on the same probabilities; none
    where it is not installed."""
    held_out = found.held_out
    labels, classes = held_out.labels, len(found.data.classes)
    if not importlib.util.find_spec("cleanlab") or held_out.classes.shape[1] < classes:
        return {}
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities = np.zeros((len(labels), classes), np.float64)
    np.put_along_axis(probabilities, held_out.classes, held_out.probabilities, axis=1)
    orders = {}
    for method in ("self_confidence", "normalized_margin"):
        scores = get_label_quality_scores(labels, probabilities, method=method)
        rest = np.argsort(scores, kind="stable")
        orders[f"cleanlab {method}"] = rest
        issues = find_label_issues(labels, probabilities, return_indices_ranked_by=method)
        # Those that its filter finds, and then the others.
        order = np.concatenate([issues, rest[~np.isin(rest, issues)]])
        orders[f"cleanlab filter, {method}"] = order
    return orders


def _trained(
    data: str, seed: int, task: Planted, found: Audit, few: int, place: Path, threads: int
) -> dict[str, float]:
    """Test accuracy of `nncore train` with the planted labels; with a table in which a person, who
    knows the truth, has looked at the first twentieth; and with all labels right."""
    table = task.write(place / "all.csv", task.labels, whole=True)
    clean = task.write(place / "clean.csv", task.true, whole=True)
    true = dict(zip(task.paths, task.true, strict=True))
    with open(place / "audit.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:few]:
        right = true[os.path.abspath(place / row["path"])]
        if row["label"] != right:
            row |= {"suggested": right, "action": "move"}
    reviewed = place / "reviewed.csv"
    with open(reviewed, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)

    def accuracy(source: Path, *flags: str) -> float:
        words = [*flags, "--seed", str(seed)]
        return nncore_train(data, seed, source, threads, words).accuracy

    return {
        "planted": accuracy(table),
        "audited": accuracy(table, "--audit", str(reviewed)),
        "clean": accuracy(clean),
    }
