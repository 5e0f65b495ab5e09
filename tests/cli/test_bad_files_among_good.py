"""`nncore predict` where some of the pictures named cannot be used: the others are predicted."""

from __future__ import annotations

import csv
import json

import pytest


@pytest.fixture
def good(new_pictures):
    return [new_pictures / "lying" / "0.png", new_pictures / "standing" / "1.png"]


def _empty(place, good):
    (place / "empty.png").write_bytes(b"")
    return place / "empty.png"


def _a_folder_without_files(place, good):
    (place / "nothing").mkdir()
    return place / "nothing"


def _dangling(place, good):
    (place / "link.png").symlink_to(place / "gone.png")
    return place / "link.png"


def _no_picture_by_its_name_either(place, good):
    (place / "notes.txt").write_text("hello")
    return place / "notes.txt"


def _too_long_a_name(place, good):
    return place / ("a" * 300 + ".png")


def _below_a_file(place, good):
    return good[0] / "000.png"


def _half_a_picture_in_a_folder(place, good):
    (place / "folder").mkdir()
    (place / "folder" / "half.png").write_bytes(good[0].read_bytes()[:60])
    return place / "folder" / "half.png"


BAD = [
    _empty,
    _a_folder_without_files,
    _dangling,
    _no_picture_by_its_name_either,
    _too_long_a_name,
    _below_a_file,
    _half_a_picture_in_a_folder,
]


@pytest.mark.parametrize("make", BAD)
def test_the_others_are_predicted(call, run, good, tmp_path, make):
    bad = make(tmp_path, good)
    given = bad.parent if bad.parent.name == "folder" else bad
    words = ("predict", run, good[0], given, good[1], "--csv", tmp_path / "p.csv")
    called = call(*words)
    assert called.code == 3
    assert [line.split("\t")[0] for line in called.out.splitlines()] == [str(one) for one in good]
    skipped, told = called.err.splitlines()
    assert skipped.startswith(f"nncore: warning: skipped {bad}: ")
    assert told == "nncore: error: 1 of 3 pictures could not be predicted; the others are"
    with open(tmp_path / "p.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["path", "label", "probability", "reason"]
    assert [(row[0], bool(row[1]), bool(row[3])) for row in rows[1:]] == [
        *((str(one), True, False) for one in good),
        (str(bad), False, True),
    ]
    called = call(*words, "--overwrite", "--json")
    told = json.loads(called.out)
    assert called.code == 3
    assert [one["path"] for one in told["predictions"]] == [str(one) for one in good]
    assert [one["path"] for one in told["skipped"]] == [str(bad)]


def test_a_file_that_means_to_be_no_picture_does_no_harm_in_a_folder(call, run, good, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(good[0].read_bytes())
    (tmp_path / "a" / "notes.txt").write_text("hello")
    assert call("predict", run, tmp_path / "a").code == 0


def test_nothing_can_be_predicted(call, fails, run, tmp_path):
    bad = [tmp_path / f"{number}.png" for number in range(7)]
    told = fails(3, "predict", run, *bad)
    assert told.startswith(f"{bad[0]}: no such file or folder; {bad[1]}: ")
    assert told.endswith("; and 2 more")
    called = call("predict", run, *bad, "--json")
    assert called.code == 3
    assert json.loads(called.out)["predictions"] == []
    assert len(json.loads(called.out)["skipped"]) == 7


def test_what_was_asked_wrongly_is_still_told(fails, run, good, tmp_path):
    assert "--top-k 4" in fails(2, "predict", run, good[0], tmp_path / "no.png", "--top-k", 4)
