"""Where nothing can be used, the first files and reasons are in the message, and `check` prints
what it found all the same."""

from __future__ import annotations

import json
import shutil

import pytest


def heic(content: bytes = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") -> bytes:
    return content


CONTENTS = {
    "empty.png": (b"", "empty file"),
    "page.jpg": (b"<html>", "not an image"),
    "phone.HEIC": (heic(), "pip install pillow-heif"),
    "burst.heics": (heic(b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc"), "pip install pillow-heif"),
    "notes.txt": (b"hello", "not an image"),
    "._000.png": (b"\0\5\x16\7", "is hidden"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_folders(call, fails, tmp_path, name):
    content, reason = CONTENTS[name]
    for kind in ("a", "b"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        (tmp_path / "data" / kind / name).write_bytes(content)
    path = f"{tmp_path}/data/a/{name}"
    checked = call("check", tmp_path / "data")
    assert checked.code == 3
    assert f"{path}: " in checked.err
    assert reason in checked.err
    assert checked.out.startswith(f"{tmp_path}/data: 0 images in 2 classes\n")
    told = json.loads(call("check", tmp_path / "data", "--json").out)
    assert {one["path"] for one in told["skipped"]} == {path, f"{tmp_path}/data/b/{name}"}
    assert reason in told["skipped"][0]["reason"]
    assert told["counts"] == {"a": 0, "b": 0}
    assert told["problems"]
    message = fails(3, "train", tmp_path / "data", "--output", tmp_path / "runs")
    assert f"{path}: " in message
    assert reason in message


def test_tables_with_folders_that_are_not_there(call, tmp_path):
    (tmp_path / "t.csv").write_text("path,label\nimages/a.png,a\nimages/b.png,b\n")
    checked = call("check", tmp_path / "t.csv", "--json")
    assert checked.code == 3
    assert [one["reason"] for one in json.loads(checked.out)["skipped"]] == ["no such file"] * 2
    assert f"{tmp_path}/images/a.png: no such file" in checked.err


def test_one_class_of_several(call, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "data")
    for kind in ("empty", "words"):
        (tmp_path / "data" / kind).mkdir()
    (tmp_path / "data" / "words" / "notes.txt").write_text("hello")
    checked = call("check", tmp_path / "data")
    assert checked.code == 3
    assert f"class 'empty', 'words': {tmp_path}/data/words/notes.txt: not an image" in checked.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,name\na.png,a\n", "the header needs"),
        ("path,label\n", "lists no images"),
        ("path,label\na.png,a\n", "one class only"),
    ],
)
def test_what_is_no_data_at_all_is_told_in_json_too(call, tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    checked = call("check", tmp_path / "t.csv", "--json")
    assert checked.code == 3
    (problem,) = json.loads(checked.out)["problems"]
    assert message in problem
    assert message in checked.err
