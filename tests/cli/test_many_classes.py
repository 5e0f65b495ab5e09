"""Hundreds of classes: what is printed stays a page, and reports hold what is there, no zeros."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from nncore.cli.output import capped, listed

CLASSES = 220
LINEAR = ("--model", "linear", "--epochs", "2")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three pictures of one colour for each class."""
    folder, rng = tmp_path_factory.mktemp("many") / "data", np.random.default_rng(0)
    for number in range(CLASSES):
        (folder / f"kind {number}").mkdir(parents=True)
        for copy in range(3):
            color = rng.integers(0, 256, (2, 2), np.uint8)
            Image.fromarray(color).save(folder / f"kind {number}" / f"{copy}.png")
    return folder


@pytest.fixture(scope="module")
def trained(many, call, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    called = call("train", many, *LINEAR, "--output", runs, "--name", "r", "--class-weight", "none")
    assert called.code == 0, called.err
    return runs / "r", called


def short(called) -> bool:
    assert called.code == 0, called.err
    shown = called.out + called.err
    return len(shown.splitlines()) <= 100 and len(shown) < 12_000


def test_no_verb_prints_more_than_a_page(call, many, trained):
    run, training = trained
    assert short(training)
    for words in (
        ("evaluate", run, many),
        ("info", run),
        ("check", many),
        ("lr-find", many, "--model", "linear"),
    ):
        assert short(call(*words)), words


def test_weights_of_classes_are_capped(call, many, tmp_path):
    words = ("train", many, *LINEAR, "--class-weight", "balanced", "--output", tmp_path)
    called = call(*words, "--name", "w")
    assert short(called)
    assert "and 200 more (config.toml has all)" in called.out
    told = call("info", tmp_path / "w")
    assert short(told)
    assert "and 170 more (--json lists all)" in told.out


def test_what_is_left_out_is_said_and_json_has_all(call, many, trained):
    run, training = trained
    assert "and 170 more; the smallest: kind 0 (3)" in training.out
    assert "more notes like these" in training.err
    told = call("evaluate", run, many).out
    assert "and 170 more; the lowest f1: " in told
    assert "most often mistaken" in told
    assert "and 170 more (--json lists all)" in call("info", run).out
    assert len(json.loads(call("info", run, "--json").out)["classes"]) == CLASSES
    checked = json.loads(call("check", many, "--json").out)
    assert sum("no validation image" in note for note in checked["notes"]) == CLASSES
    assert len(json.loads(call("evaluate", run, many, "--json").out)["per_class"]) == CLASSES


def test_report_and_plot_of_many_classes(call, many, trained, tmp_path):
    run, _ = trained
    out = tmp_path / "report"
    assert call("evaluate", run, many, "--output", out).code == 0
    report = json.loads((out / "report.json").read_text())
    assert report["confusion"]["shape"] == [CLASSES, CLASSES]
    triples = np.array(report["confusion"]["triples"])
    assert triples[:, 2].sum() == report["images"] == 3 * CLASSES
    right = triples[triples[:, 0] == triples[:, 1], 2].sum()
    assert right / report["images"] == report["accuracy"]
    assert call("plot", run, "--output", tmp_path / "drawn").code == 0
    assert (tmp_path / "drawn" / "confusion.png").exists()


def test_a_class_map_of_other_names_lists_some_of_both_sides(call, many, tmp_path):
    names = "\n".join(f"other {number}" for number in range(CLASSES))
    (tmp_path / "names.txt").write_text(names)
    called = call("train", many, "--classes", tmp_path / "names.txt", "--output", tmp_path)
    assert called.code == 3
    assert len(called.err) < 3000


def test_lists_that_are_cut():
    assert listed("abc", 3, "x") == "a, b, c"
    assert listed("abcd", 3, "--json lists all") == "a, b, c and 1 more (--json lists all)"
    six = list("abcdef")
    assert capped(six) == six  # a line that says "1 more" is no shorter than that one
    assert capped([*six, "g"]) == [*six[:5], "2 more notes like these"]
