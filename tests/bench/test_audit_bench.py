"""The benchmark of audits, on bars that lie, stand or are not there."""

from __future__ import annotations

import csv

import audit
import audit_task
import numpy as np
import pytest
from audit_task import Found, measure, planted
from PIL import Image
from transfer_accuracy import Accuracy


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("bars")
    for part, count in (("train", 40), ("test", 6)):
        for label, name in enumerate(("lying", "standing", "nothing")):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                image, place = rng.integers(0, 60, (8, 8)), rng.integers(1, 7)
                if label < 2:
                    image.T[place] += 180 * label
                    image[place] += 180 * (1 - label)
                path = folder / part / name / f"{number}.png"
                Image.fromarray(image.astype(np.uint8)).save(path)
    return folder


def test_a_twentieth_of_the_training_labels_is_wrong(bars):
    task = planted(bars, 3)
    assert len(task.wrong) == 6
    assert all("train" in path for path in task.wrong)
    assert planted(bars, 3) == task
    assert planted(bars, 4).wrong != task.wrong
    few = planted(bars, 3, limit=40)
    assert (few.parts.count("train"), few.parts.count("test")) == (40, 18)


def test_what_is_found_and_what_is_made_of_it(bars, tmp_path, monkeypatch):
    told = []

    def train(data, split, source, threads, flags):
        told.append((source.name, flags))
        return Accuracy(data, split, "nncore", 0.5)

    monkeypatch.setattr(audit_task, "nncore_train", train)
    found = measure("bars", 1, bars, tmp_path, 1, None, True)
    assert (found.images, found.planted) == (120, 6)
    assert found.rankings["nncore"] >= 5 / 6
    assert found.accuracies == {"planted": 0.5, "audited": 0.5, "clean": 0.5}
    reviewed = str(tmp_path / "reviewed.csv")
    assert told == [
        ("all.csv", ["--seed", "1"]),
        ("all.csv", ["--audit", reviewed, "--seed", "1"]),
        ("clean.csv", ["--seed", "1"]),
    ]
    task = planted(bars, 1)
    true = dict(zip(task.paths, task.true, strict=True))
    with open(reviewed, newline="", encoding="utf-8") as file:
        moved = [row for row in csv.DictReader(file) if row["action"]]
    assert len(moved) == round(6 * found.rankings["nncore"])
    for row in moved:
        assert row["action"] == "move"
        assert true[str((tmp_path / row["path"]).resolve())] == row["suggested"]


def test_the_summary_counts_all_tries_together():
    def one(planted, part):
        return Found("d", 0, 100, planted, 5, {"nncore": part}, 2.0, 1.0, 0.5)

    line = audit.summary([one(5, 1.0), one(15, 0.6)]).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *("d", "100", "20", "0.700"),
        *("", "", "", "2"),
    ]
