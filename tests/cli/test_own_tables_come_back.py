"""Tables that nncore writes are read by it as they were, whatever the names of files are."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import pytest

from nncore.data.csv_text import csv_bytes
from textbook import TRAIN

ODD = [
    os.fsdecode(name)
    for name in (
        b" lead.png",
        b"both .png ",
        b"line\nend.png",
        b'quo"te.png',
        b'"quoted".png',
        b"comma,semicolon;.png",
        b"tab\t.png\t",
        b"back\\slash.png",
        b"#hash.png",
        b"\xff\xfe.png",
        b"\r\n.png",
        "no-break\N{NO-BREAK SPACE}".encode(),
        "line\N{LINE SEPARATOR}.png".encode(),
        "cafe\N{COMBINING ACUTE ACCENT}.png".encode(),
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}.png".encode(),
    )
]


@pytest.fixture(scope="module")
def odd(pictures, tmp_path_factory):
    """Pictures with such names, some of them in folders with such names."""
    place = tmp_path_factory.mktemp("odd")
    shutil.copytree(pictures, place / "data")
    for name in ODD:
        inner = place / "data" / "standing" / f"in {name}"
        inner.mkdir()
        number = ODD.index(name)
        shutil.copy(pictures / "lying" / f"{number}.png", place / "data" / "lying" / name)
        shutil.copy(pictures / "standing" / f"{number}.png", inner / "x.png")
    return place


@pytest.fixture(scope="module")
def odd_run(call, odd):
    words = (*TRAIN, odd / "data", "--epochs", 1, "--output", odd / "runs", "--quiet", "--json")
    called = call(*words, "--name", "a")
    assert called.code == 0, called.err
    assert json.loads(called.out)["skipped"] == []
    return odd / "runs" / "a"


def test_split_csv_as_the_split_of_the_same_images(call, odd, odd_run, tmp_path):
    words = (*TRAIN, odd / "data", "--epochs", 1, "--output", odd / "runs", "--quiet", "--json")
    again = call(*words, "--name", "b", "--split", odd_run / "split.csv")
    assert (again.code, again.err) == (0, "")
    assert (odd / "runs/b/split.csv").read_bytes() == (odd_run / "split.csv").read_bytes()


def test_split_csv_as_data(call, odd, odd_run):
    told = json.loads(call("check", odd_run / "split.csv", "--json").out)
    assert told["skipped"] == []
    assert told["images"] == 3 * 40 + 2 * len(ODD)


@pytest.mark.parametrize("place", ["p.csv", "deeper/p.csv"])
def test_the_csv_of_predict(call, odd, odd_run, monkeypatch, place):
    monkeypatch.chdir(odd)
    (odd / "deeper").mkdir(exist_ok=True)
    assert call("predict", odd_run, "data", "--csv", place).code == 0
    told = json.loads(call("check", place, "--json").out)
    assert (told["images"], told["skipped"]) == (3 * 40 + 2 * len(ODD), [])


def test_the_csv_of_predict_with_files_that_gave_none(call, run, pictures, tmp_path):
    good = [pictures / "lying" / "0.png", pictures / "standing" / "0.png"]
    table = tmp_path / "p.csv"
    assert call("predict", run, *good, tmp_path / "none.png", "--csv", table).code == 3
    told = json.loads(call("check", table, "--json").out)
    assert told["images"] == 2
    assert [(one["path"], one["reason"]) for one in told["skipped"]] == [
        (str(tmp_path / "none.png"), "no such file or folder")
    ]


@pytest.mark.parametrize("name", ODD)
def test_cells_are_read_as_others_read_them(name):
    rows = [("path", "label"), (name, "x"), ("a.png", name)]
    text = csv_bytes(rows).decode("utf-8", "surrogateescape")
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))] == rows


def test_groups_come_back(pictures, tmp_path):
    import nncore as nn
    from nncore.data.sources.split_csv import write_split_csv

    data = nn.ImageDataset.from_folder(pictures)
    data.groups = [("a, b", 'c"d', "e\rf", "")[i % 4] for i in range(len(data))]
    write_split_csv(tmp_path / "split.csv", {"train": data})
    back = nn.ImageDataset.from_csv(tmp_path / "split.csv")
    assert back.groups == data.groups
