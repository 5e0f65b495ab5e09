"""Files written whole: under the longest names, and without what killed writers left."""

from __future__ import annotations

import errno
import os
import time

import pytest

from nncore.files import atomic
from nncore.files.atomic import _prefix, atomic_write_bytes
from on_windows import windows_os


@pytest.mark.parametrize("length", [1, 200, 201, 246, 255])
def test_names_of_any_length(tmp_path, length):
    path = tmp_path / ("a" * length)
    atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == [path.name]


def test_what_killed_writers_left_goes_and_what_living_ones_write_stays(tmp_path):
    for name in ("m", "n" * 250):
        old, new, other = (
            tmp_path / f"{_prefix(name)}{word}.part" for word in ("killed", "lives", "x")
        )
        other = tmp_path / f".other.{len(name)}.part"
        for path in (old, new, other):
            path.write_bytes(b"half")
        for path in (old, other):
            os.utime(path, (time.time() - 7200,) * 2)
        atomic_write_bytes(tmp_path / name, b"new")
        assert not old.exists()
        assert new.exists()
        assert other.exists()


REPLACE = os.replace


class Reader:
    """`os.replace` of Windows while a program has the old file open, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def replace(self, source, target):
        if self.times > 0:
            self.times -= 1
            raise PermissionError(errno.EACCES, "Access is denied", source, 5, target)
        REPLACE(source, target)


def test_on_windows_a_reader_is_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    reader = Reader(3)
    monkeypatch.setattr(atomic, "os", windows_os(path=os.path, replace=reader.replace))
    atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert reader.times == 0


def test_but_not_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(atomic, "os", windows_os(path=os.path, replace=Reader(10**9).replace))
    with pytest.raises(PermissionError) as caught:
        atomic_write_bytes(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_elsewhere_it_is_an_error_at_once(tmp_path, monkeypatch):
    reader = Reader(2)
    monkeypatch.setattr(atomic.os, "replace", reader.replace)
    with pytest.raises(PermissionError):
        atomic_write_bytes(tmp_path / "a", b"new")
    assert reader.times == 1
