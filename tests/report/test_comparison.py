"""Several runs on one page."""

from __future__ import annotations

import dataclasses
import json

import pytest

from nncore.report.comparison import class_rows, differing_settings, metrics, run_names
from nncore.report.kept import read_kept
from pages import call, read


@pytest.fixture(scope="module")
def other_run(hostile_pictures, tmp_path_factory):
    runs = tmp_path_factory.mktemp("others")
    words = ("--model", "mlp", "--hidden", "8", "--epochs", "2", "--val", "0", "--quiet")
    call("train", hostile_pictures, "--output", runs, "--name", "other", *words)
    return runs / "other"


def test_the_page(hostile_run, other_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = json.loads(call("report", hostile_run, other_run, "--json"))
    assert told["report"] == "comparison.html"
    assert [run["path"] for run in told["runs"]] == [str(hostile_run), str(other_run)]
    words = read(tmp_path / "comparison.html").words
    assert "<i>run" in words
    assert "training.epochs" in words
    assert "they differ in part, number" in words
    for run in (hostile_run, other_run):
        assert f"{read_kept(run).report.accuracy:.2%}" in words


def test_rows_say_which_run_is_best(hostile_run, other_run):
    runs = [read_kept(hostile_run), read_kept(other_run), read_kept(hostile_run)]
    rows = {row.name: row for row in metrics(runs)}
    accuracy = [run.report.accuracy for run in runs]
    assert accuracy[0] != accuracy[1]
    assert rows["images"].best == set()
    # Of figures on other images none is better.
    assert rows["accuracy"].best == rows["loss"].best == set()
    assert not any(row.best for row in class_rows(runs))
    worse = dataclasses.replace(runs[0].report, accuracy=accuracy[0] - 0.01)
    alike = [dataclasses.replace(runs[0], report=worse), runs[0]]
    assert {row.name: row for row in metrics(alike)}["accuracy"].best == {1}
    assert rows["epochs"].cells == ("3", "2", "3")
    settings = {row.name: row.cells for row in differing_settings(runs)}
    assert settings["training.epochs"] == ("3", "2", "3")
    assert "data.source" not in settings
    assert run_names(runs) == [str(hostile_run), "other", str(hostile_run)]


def test_of_many_classes_those_that_differ_most(hostile_run, other_run):
    runs = [read_kept(hostile_run), read_kept(other_run)]
    rows = class_rows(runs, most=2)
    assert len(rows) == 2
    assert len(class_rows(runs)) == 6


def test_what_is_wrong_is_said(hostile_run, tmp_path):
    from nncore.cli.failures import UsageError
    from nncore.cli.parser import parse

    with pytest.raises(UsageError, match=r"must end in \.html"):
        parse(["report", str(hostile_run), "--output", "x.pdf"])
