"""Training, measuring and caching in the folder of the pictures changes no class."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from nncore.data import ImageDataset
from nncore.files.own_folders import MARKER, make_own_folder
from textbook import TRAIN

NAMES = {"lying", "standing", "nothing"}


@pytest.fixture
def photos(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(pictures, tmp_path / "photos")
    monkeypatch.chdir(tmp_path / "photos")
    return tmp_path / "photos"


def train(call, *words: object, warned: str = ""):
    called = call(*TRAIN, ".", "--epochs", 1, "--quiet", "--json", *words)
    assert called.code == 0, called.err
    assert warned in called.err if warned else called.err == ""
    return json.loads(called.out)


def test_whatever_is_written_beside_the_classes_is_left_out(photos, call):
    counts = train(call)["counts"]
    assert set(counts) == NAMES
    model = "runs/run-1"
    for words in (
        ("evaluate", model, ".", "--output", "audit"),
        ("evaluate", model, ".", "--output", "out/reports/today", "--cache", "pixels"),
        ("plot", model, "--output", "curves"),
        ("check", ".", "--cache", "other/pixels"),
    ):
        assert call(*words, "--quiet").code == 0, words
    make_own_folder(Path("demo"))  # as `nncore demo` does: tests/cli/test_demo.py
    again = train(call, "--output", "more/runs")
    assert again["counts"] == counts
    own = {os.path.normpath(file["path"]) for file in again["skipped"] if file["kind"] == "own"}
    assert own == {"runs", "audit", "out", "pixels", "curves", "other", "demo"}
    told = call("check", ".").out
    assert "left out, since nncore wrote it: ./audit, ./curves" in told
    found = json.loads(call("predict", model, ".", "--json").out)
    assert len(found["predictions"]) == sum(counts.values())


def test_what_is_written_into_a_class_is_left_out(photos, call):
    counts = train(call)["counts"]
    assert call("check", ".", "--sheet", "lying/sheet.png", "--quiet").code == 0
    assert call("evaluate", "runs/run-1", ".", "--output", "standing", "--quiet").code == 0
    report = "standing/provenance.json: not an image"
    train(call, "--output", "nothing", "--cache", "lying/cache", warned=report)
    again = train(call, "--cache", "nothing", warned=report)
    assert again["counts"] == counts
    kinds = {os.path.normpath(file["path"]): file["kind"] for file in again["skipped"]}
    assert kinds["lying/sheet.png"] == kinds["standing/confusion.png"] == "own"
    assert kinds["nothing/run-1"] == kinds["lying/cache"] == "own"


def test_a_cache_may_lie_in_the_folder_itself(photos, call):
    counts = train(call, "--cache", ".")["counts"]
    assert train(call, "--cache", ".")["counts"] == counts


def test_what_is_written_beside_parts_is_left_out(photos, tmp_path):
    parts = tmp_path / "parts"
    for part in ("train", "val"):
        shutil.copytree(photos, parts / part)
    make_own_folder(parts / "runs" / "run-1")
    make_own_folder(parts / "train" / "runs" / "run-1")
    data = ImageDataset.from_folder(parts)
    assert set(data.counts) == NAMES
    assert [file.kind for file in data.skipped] == ["own", "own"]


def test_a_persons_own_folder_called_runs_is_a_class(photos, call):
    os.rename("lying", "runs")
    for _ in range(2):  # the run lies inside the class
        assert set(train(call)["counts"]) == {"runs", "standing", "nothing"}
    os.remove(f"runs/run-1/{MARKER}")  # by the files of a run it is known all the same
    assert set(ImageDataset.from_folder(".").counts) == {"runs", "standing", "nothing"}


def test_pictures_that_are_put_into_an_emptied_home_are_a_class(photos, call):
    train(call)
    shutil.rmtree("runs/run-1")
    assert set(ImageDataset.from_folder(".").counts) == NAMES
    for name in os.listdir("lying"):
        shutil.copy(f"lying/{name}", f"runs/{name}")
    assert set(ImageDataset.from_folder(".").counts) == NAMES | {"runs"}


def test_a_run_is_named_and_overwritten_as_before(photos, call, fails):
    train(call, "--name", "a")
    assert "not empty" in fails(1, *TRAIN, ".", "--name", "a", "--quiet")
    train(call, "--name", "a", "--overwrite")
    assert os.path.exists(f"runs/a/{MARKER}")
