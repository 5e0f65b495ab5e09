"""What nncore wrote is known again wherever it lies; what people keep stays theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nncore.files.own_folders import (
    MARKER,
    is_empty,
    is_own_file,
    is_own_folder,
    make_home,
    make_own_folder,
    mark_own_folder,
)


def test_a_folder_that_is_made_or_found_empty_is_marked(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty", "new"):
        make_own_folder(tmp_path / name)
        assert is_own_folder(str(tmp_path / name))
        assert is_empty(tmp_path / name)
    (tmp_path / "new" / "chart.png").touch()
    assert is_own_folder(str(tmp_path / "new"))
    assert b"remove this file" in (tmp_path / "new" / MARKER).read_bytes()


def test_a_folder_of_a_person_stays_one(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").touch()
    for make in (make_own_folder, make_home):
        make(tmp_path / "mine")
        assert os.listdir(tmp_path / "mine") == ["a.png"]
        assert not is_own_folder(str(tmp_path / "mine"))


def test_a_home_is_own_as_long_as_all_in_it_is(tmp_path: Path):
    home = tmp_path / "runs"
    make_home(home)
    assert is_own_folder(str(home))
    make_own_folder(home / "run-1")
    (home / "run-1-0123456789abcdef0123.lock").touch()
    assert is_own_folder(str(home))
    (home / "holiday").mkdir()
    assert not is_own_folder(str(home))
    (home / "holiday").rmdir()
    (home / "a.png").touch()
    assert not is_own_folder(str(home))


def test_folders_around_own_ones_are_own(tmp_path: Path):
    make_own_folder(tmp_path / "out" / "2024" / "report")
    assert is_own_folder(str(tmp_path / "out"))
    (tmp_path / "out" / "2024" / "a.png").touch()
    assert not is_own_folder(str(tmp_path / "out"))


def test_deeply_nested_folders_are_not_searched_for_ever(tmp_path: Path):
    deep = tmp_path / "a"
    for _ in range(50):
        deep = deep / "a"
    make_own_folder(deep)
    assert not is_own_folder(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("files", "own"),
    [
        (("config.toml", "classes.csv", "split.csv", "best.safetensors"), True),
        (("config.toml", "classes.csv", "split.csv", "a.png"), False),
        (("report.json", "confusion.png", "mistakes.png"), True),
        (("report.json", "confusion.png", "a.png"), False),
        (("classes.csv", "a.png"), False),
        ((), False),
    ],
)
def test_runs_and_reports_of_before_there_were_markers(tmp_path: Path, files, own):
    for name in files:
        (tmp_path / name).touch()
    assert is_own_folder(str(tmp_path)) == own
    assert is_own_folder(str(tmp_path), files) == own


def test_a_marker_of_somebody_else_marks_nothing(tmp_path: Path):
    (tmp_path / MARKER).write_text("my own notes about nncore")
    assert not is_own_folder(str(tmp_path))
    (tmp_path / MARKER).unlink()
    os.mkfifo(tmp_path / MARKER)
    assert not is_own_folder(str(tmp_path))  # and it does not wait


def test_locks_of_caches(tmp_path: Path):
    lock = tmp_path / "photos-0123456789abcdef0123.lock"
    lock.touch()
    assert is_own_file(str(lock))
    lock.write_text("x")
    assert not is_own_file(str(lock))
    mark_own_folder(tmp_path)
    assert is_own_folder(str(tmp_path))
