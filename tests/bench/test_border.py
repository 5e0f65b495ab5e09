"""The benchmark of pretrained networks and of those from scratch, with stand-ins for both."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import border
import numpy as np
import pytest
from PIL import Image
from transfer_accuracy import Accuracy


def rows(counts: dict[str, int]) -> list[tuple[Path, str]]:
    return [(Path(f"/{name}/{i}.png"), name) for name, n in counts.items() for i in range(n)]


def parts(path: Path) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        found.setdefault((row["label"], row["split"]), set()).add(row["path"])
    return found


def test_what_is_tested_is_trained_on_in_no_row_of_the_seed(tmp_path: Path):
    given = rows({"a": 200, "b": 30, "c": 10})
    tables = border.draws("x", given, (2, 20, 40), seeds=2, root=tmp_path)
    assert [count for count, _ in tables] == [2, 2, 20, 20]  # 40 are more than most classes have
    few, other, many, _ = (parts(path) for _, path in tables)
    assert [len(many[name, "train"]) for name in "abc"] == [20, 20, 8]
    assert [len(many[name, "test"]) for name in "abc"] == [100, 10, 2]
    assert all(few[name, "test"] == many[name, "test"] for name in "abc")
    assert all(few[name, "train"] < many[name, "train"] for name in "abc")
    assert few["a", "train"] != other["a", "train"]


def test_smaller_pictures_keep_their_aspect(tmp_path: Path):
    pixels = np.zeros((40, 100, 3), np.uint8)
    place = tmp_path / "digits-0" / "train" / "7" / "1.png"
    place.parent.mkdir(parents=True)
    Image.fromarray(pixels).save(place)
    (tmp_path / "digits-0" / ".complete").touch()
    ((path, label),) = border.pictures("digits@10", tmp_path)
    with Image.open(path) as smaller:
        assert (smaller.size, label) == ((25, 10), "7")


def test_both_ways_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(border, "pictures", lambda name, root: rows({"a": 10, "b": 10}))

    def train(data, split, source, threads, flags):
        right = 0.75 if flags[1] == "efficientnet-lite0" else 0.5
        return Accuracy(data, split, "one", right + 0.1 * (split == 5), 1.0)

    monkeypatch.setattr(border, "nncore_train", train)
    told = tmp_path / "told.json"
    border.main(["--data", "digits", "--seeds", "2", "--root", str(tmp_path), "--json", str(told)])
    assert "0.850 (0.850 to 0.850) | 0.600 (0.600 to 0.600) |" in capsys.readouterr().out
    (row,) = json.loads(told.read_text())["accuracies"]
    assert row["pretrained"] == [pytest.approx(0.85)] * 2
