"""Locks of the system, and those of Windows as far as a stand-in can show them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types

import pytest

from nncore.files import locks

HOLD = """
import os, sys
from nncore.files.locks import lock
assert lock(os.open(sys.argv[1], os.O_RDWR))
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    descriptors = [os.open(path, os.O_RDWR) for _ in range(2)]
    yield path, descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def test_one_process_has_it_until_it_ends(file):
    path, (descriptor, _) = file
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            locks.lock(descriptor)
        other.kill()
    assert locks.lock(descriptor)


def test_a_file_system_without_locks(file, monkeypatch):
    def flock(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    assert not locks.lock(file[1][0])


class Msvcrt(types.SimpleNamespace):
    """Windows's: ranges of bytes from where the file stands, and EACCES for those of others."""

    LK_NBLCK = 2

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert mode == self.LK_NBLCK
        place = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR), count)
        if self.held.setdefault(place, descriptor) != descriptor:
            raise PermissionError(errno.EACCES, "Permission denied")


def test_windows(file, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", Msvcrt(held={}))
    first, second = file[1]
    os.lseek(second, 5, os.SEEK_SET)  # where a file stands must not matter
    assert locks.lock(first)
    with pytest.raises(BlockingIOError):
        locks.lock(second)


def test_neither(file, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", None)
    assert not locks.lock(file[1][0])
