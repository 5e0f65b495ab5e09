"""What can be checked is told before the first picture is read: here none of them can be used, and
that is not what the message is about."""

from __future__ import annotations

import os

import pytest

from textbook import TRAIN


@pytest.fixture
def unusable(tmp_path):
    for kind in ("a", "b"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        (tmp_path / "data" / kind / "0.png").write_bytes(b"")
    (tmp_path / "file").write_text("")
    (tmp_path / "wrong.csv").write_text("path,split\nx.png,validate?\n")
    return tmp_path


def test_the_pictures_are_unusable(fails, unusable):
    assert "empty file" in fails(3, *TRAIN, unusable / "data", "--output", unusable / "runs")


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (1, (*TRAIN, "DATA", "--output", "TOP/file"), "TOP/file: cannot write a run here: Not a"),
        (1, (*TRAIN, "DATA", "--output", "/proc/runs"), "/proc: cannot write a run here: "),
        (1, (*TRAIN, "DATA", "--output", "TOP/file/x", "--name", "y"), "TOP/file: cannot write"),
        (3, (*TRAIN, "DATA", "--output", "TOP/runs", "--split", "TOP/no.csv"), "no such file"),
        (3, (*TRAIN, "DATA", "--output", "TOP/runs", "--split", "TOP/wrong.csv"), "line 2: the"),
        (3, (*TRAIN, "DATA", "--output", "TOP/runs", "--classes", "TOP/no.csv"), "no such file"),
        (1, ("evaluate", "RUN", "DATA", "--output", "TOP/file"), "TOP/file: Not a directory"),
        (3, ("evaluate", "RUN", "DATA", "--split", "TOP/no.csv"), "TOP/no.csv: no such file"),
        (1, ("predict", "RUN", "DATA", "--csv", "TOP/no/p.csv"), "TOP/no/p.csv: No such file"),
        (1, ("predict", "RUN", "DATA", "--csv", "TOP/data"), "TOP/data: Is a directory"),
        (1, ("check", "DATA", "--sheet", "TOP/no/s.png"), "TOP/no/s.png: No such file"),
        (2, ("check", "DATA", "--sheet", "TOP/s.txt"), "its name must end in"),
        (1, ("lr-find", "DATA", "--plot", "TOP/no/s.png"), "TOP/no/s.png: No such file"),
    ],
)
def test_it_is_told_first(fails, run, unusable, code, words, told):
    places = {"DATA": str(unusable / "data"), "RUN": str(run)}
    given = [places.get(word, str(word).replace("TOP", str(unusable))) for word in words]
    assert told.replace("TOP", str(unusable)) in fails(code, *given)
    assert sorted(os.listdir(unusable)) == ["data", "file", "wrong.csv"]
