"""`nncore evaluate` on images that the model has learned from says so."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter


def parts_of(run) -> Counter:
    with open(run / "split.csv", encoding="utf-8", newline="") as table:
        return Counter(row["split"] for row in csv.DictReader(table))


def test_on_the_images_of_the_training(call, run, pictures):
    parts = parts_of(run)
    called = call("evaluate", run, pictures, "--json")
    assert json.loads(called.out)["seen_in_training"] == {
        part: parts[part] for part in ("train", "val")
    }
    assert f"{parts['train']} were trained on and {parts['val']} chose the epoch" in called.err
    assert "train with --test 0.15" in called.err  # it has no test part


def test_wherever_they_are_now_and_whatever_else_is_there(
    call, run, pictures, new_pictures, tmp_path
):
    shutil.copytree(new_pictures, tmp_path / "mixed")
    (first,) = (path for path in sorted(pictures.rglob("*.png"))[:1])
    shutil.copy(first, tmp_path / "mixed" / first.parent.name / "another-name.png")
    called = call("evaluate", run, tmp_path / "mixed", "--json")
    assert sum(json.loads(called.out)["seen_in_training"].values()) == 1
    assert "of 37 images 1 " in called.err


def test_a_test_part_was_set_apart(call, pictures, tmp_path):
    train = ("train", pictures, "--model", "linear", "--epochs", 1, "--test", 0.2, "--quiet")
    assert call(*train, "--output", tmp_path, "--name", "one").code == 0
    run = tmp_path / "one"
    assert f"--split {run}/split.csv" in call("evaluate", run, pictures).err
    called = call("evaluate", run, pictures, "--split", run / "split.csv", "--json")
    assert json.loads(called.out)["seen_in_training"] == {}
    assert called.err == ""
    words = ("--split", run / "split.csv", "--part", "train", "--json")
    called = call("evaluate", run, pictures, *words)  # as asked for
    assert "train" in json.loads(called.out)["seen_in_training"]
    assert called.err == ""


def test_new_pictures_and_a_model_without_its_run(call, run, pictures, new_pictures, tmp_path):
    assert call("evaluate", run, new_pictures).err == ""
    shutil.copy(run / "best.safetensors", tmp_path / "alone.safetensors")
    assert call("evaluate", tmp_path / "alone.safetensors", pictures).err == ""
