"""Verbs on data that come with a split; `--split`, `--part` and `--max-pixels`."""

from __future__ import annotations

import csv
import json
import os
import shutil

import pytest
from PIL import Image

from nncore.cli.parser import parse
from nncore.data.pictures.decode import MAX_PIXELS
from textbook import TRAIN


@pytest.fixture(scope="module")
def parent(pictures, tmp_path_factory):
    """30 training, 6 validation and 9 test images."""
    root = tmp_path_factory.mktemp("parts") / "bars"
    for part, numbers in (("train", range(10)), ("valid", (10, 11)), ("test", (12, 13, 14))):
        for folder in pictures.iterdir():
            (root / part / folder.name).mkdir(parents=True)
            for number in numbers:
                shutil.copy(folder / f"{number}.png", root / part / folder.name)
    return root


@pytest.fixture(scope="module")
def trained(parent, call, tmp_path_factory):
    runs = tmp_path_factory.mktemp("split-runs")
    words = ("--output", runs, "--name", "a", "--epochs", 2, "--quiet", "--json")
    called = call(*TRAIN, parent, *words)
    assert called.code == 0, called.err
    return runs / "a", json.loads(called.out)


def written(run) -> dict[str, str]:
    with open(run / "split.csv", newline="") as file:
        return {os.path.realpath(run / row["path"]): row["split"] for row in csv.DictReader(file)}


def test_train_keeps_to_the_split_of_the_data(trained, parent, call, tmp_path):
    run, told = trained
    assert told["split"] == "came with the data"
    assert told["images"] == {"train": 30, "val": 6, "test": 9}
    assert told["measured_on"] == "test"
    for path, part in written(run).items():
        assert os.path.relpath(path, parent).split("/")[0] == {"val": "valid"}.get(part, part)
    called = call(*TRAIN, parent, "--output", tmp_path, "--epochs", 1, "--test", 0.2)
    assert "split (came with the data): 30 train, 6 val, 9 test" in called.out
    assert "warning: --test is not used" in called.err


def test_what_the_split_lacks_is_made(parent, call, tmp_path):
    shutil.copytree(parent, tmp_path / "bars")
    shutil.rmtree(tmp_path / "bars" / "valid")
    called = call(*TRAIN, tmp_path / "bars", "--output", tmp_path, "--epochs", 1, "--val", 0.2)
    wanted = "split (came with the data; val made with seed 0 from train): 24 train, 6 val, 9 test"
    assert wanted in called.out
    table = [line.split() for line in called.out.splitlines()[1:5]]
    assert table == [
        ["class", "images", "train", "val", "test"],
        *([name, "13", "8", "2", "3"] for name in ("lying", "nothing", "standing")),
    ]
    called = call(*TRAIN, tmp_path / "bars", "--output", tmp_path, "--epochs", 1, "--split", "new")
    assert "split (made with seed 0): 33 train, 6 val" in called.out


def test_a_written_split_is_used_again(trained, parent, call, tmp_path, fails):
    run, _ = trained
    words = ("--output", tmp_path, "--epochs", 1, "--quiet", "--json", "--seed", 5)
    # From the folder with the split of the run, and from the split itself.
    for name, source in (
        ("b", (parent, "--split", run / "split.csv")),
        ("c", (run / "split.csv",)),
    ):
        called = call(*TRAIN, *source, *words, "--name", name)
        assert called.err == ""
        assert written(tmp_path / name) == written(run)
        assert json.loads(called.out)["split"] != "made with seed 5"
    assert "none.csv" in fails(3, "train", parent, "--split", tmp_path / "none.csv")


def test_a_split_that_does_not_fit_is_told(trained, pictures, call, fails, tmp_path):
    run, _ = trained
    assert "lists none of these 120 images" in fails(
        3, "train", pictures, "--split", run / "split.csv", "--output", tmp_path
    )
    table = tmp_path / "split.csv"
    table.write_text(f"path,split\n{pictures}/lying/0.png,val\n{tmp_path}/gone.png,train\n")
    called = call(*TRAIN, pictures, "--split", table, "--output", tmp_path, "--epochs", 1)
    assert "119 image(s) are not in" in called.err
    assert f"1 image(s) of {table} are not in the data" in called.err


def test_evaluate_takes_the_test_part(trained, parent, call, fails, new_pictures):
    run, _ = trained
    told = json.loads(call("evaluate", run, parent, "--json").out)
    assert (told["part"], told["images"]) == ("test", 9)
    assert "bars (part test of its split)" in call("evaluate", run, parent).out
    for part, count in (("train", 30), ("val", 6), ("all", 45)):
        told = json.loads(call("evaluate", run, parent, "--part", part, "--json").out)
        assert (told["part"], told["images"]) == (part, count)
    assert "does not come with a split" in fails(3, "evaluate", run, new_pictures, "--part", "val")
    assert json.loads(call("evaluate", run, new_pictures, "--json").out)["part"] == "all"


def test_evaluate_on_the_split_of_a_run(trained, pictures, call, tmp_path):
    words = ("--output", tmp_path, "--name", "a", "--epochs", 1, "--test", 0.2, "--quiet", "--json")
    run, file = tmp_path / "a", tmp_path / "a" / "split.csv"
    told = json.loads(call(*TRAIN, pictures, *words).out)
    tested = json.loads(call("evaluate", run, pictures, "--split", file, "--json").out)
    assert (tested["part"], tested["images"]) == ("test", 24)
    assert tested["accuracy"] == told["accuracy"]
    shutil.copytree(pictures, tmp_path / "bars")
    moved = file.read_text().replace(
        os.path.relpath(pictures, run), os.path.relpath(tmp_path / "bars", run)
    )
    file.write_text(moved)
    (tmp_path / "bars" / "lying" / "0.png").rename(tmp_path / "bars" / "lying" / "new.png")
    called = call("evaluate", run, tmp_path / "bars", "--split", file, "--part", "val", "--json")
    assert len(called.err.splitlines()) == 2  # one image too many, one too few
    assert json.loads(called.out)["part"] == "val"


def test_the_default_limit_is_that_of_python():
    # Written twice, since the command line's help loads nothing heavy.
    for verb in ("check", "train", "evaluate", "predict"):
        words = ("a", "b") if verb in ("evaluate", "predict") else ("a",)
        settings = parse([verb, *words]).settings
        for inner in ("train", "evaluate", "reading"):
            settings = getattr(settings, inner, settings)
        assert settings.max_pixels == MAX_PIXELS


def test_max_pixels_of_every_verb(trained, parent, call, tmp_path):
    run, _ = trained
    shutil.copytree(parent, tmp_path / "bars")
    large = tmp_path / "bars" / "train" / "lying" / "large.png"
    Image.new("L", (9, 9)).save(large)
    words = ("--max-broken", 0.5, "--max-pixels", 80, "--json")
    for command in (
        ("check", tmp_path / "bars", *words),
        (*TRAIN, tmp_path / "bars", *words, "--epochs", 1, "--output", tmp_path, "--quiet"),
        ("evaluate", run, tmp_path / "bars", *words, "--part", "all"),
        ("predict", run, tmp_path / "bars" / "train", "--max-pixels", 80, "--json"),
    ):
        told = json.loads(call(*command).out)
        assert [one["path"] for one in told["skipped"]] == [str(large)], command
        assert "limit of 80 pixels" in told["skipped"][0]["reason"]
    called = call("predict", run, large, "--max-pixels", 81)
    assert called.code == 0


def test_layout_is_said_to_every_verb_and_kept_for_resuming(pictures, call, fails, tmp_path):
    root = tmp_path / "sites"
    for site in ("rome", "paris"):
        shutil.copytree(pictures, root / site)
    counts = {folder.name: 2 * len(list(folder.iterdir())) for folder in pictures.iterdir()}
    run = tmp_path / "runs" / "a"
    assert "--layout parts" in fails(3, "train", root, "--output", tmp_path / "runs")
    assert "--layout parts" in fails(3, "check", root)
    parts = ("--layout", "parts", "--json")
    assert json.loads(call("check", root, *parts).out)["counts"] == counts
    words = ("--output", run.parent, "--name", run.name, "--epochs", 1, "--quiet")
    trained = call(*TRAIN, root, *words, *parts)
    assert json.loads(trained.out)["counts"] == counts
    assert trained.err == ""
    resumed = call("train", "--resume", run, "--json")
    assert (resumed.code, json.loads(resumed.out)["counts"]) == (0, counts)
    # The model knows its classes.
    measured = call("evaluate", run, root, "--json")
    assert json.loads(measured.out)["images"] == sum(counts.values())
    found = call("lr-find", root, "--steps", 10, "--model", "linear", "--size", "8", *parts)
    assert (json.loads(found.out)["images"], found.err) == (sum(counts.values()), "")
