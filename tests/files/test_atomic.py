"""Files written whole: under the longest names, and without what killed writers left."""

from __future__ import annotations

import os
import time

import pytest

from nncore.files.atomic import _prefix, atomic_write_bytes


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
