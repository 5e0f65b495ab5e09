"""One process at a time trains into a folder, whether the system locks folders or files."""

from __future__ import annotations

import os

import pytest

from nncore.files import locks
from nncore.files.own_folders import LOCK, MARKER, is_own_folder
from nncore.training import run_lock
from nncore.training.run_directory import RunDirectory
from nncore.training.run_lock import RunLock
from on_windows import windows_os

pytestmark = pytest.mark.every_isa


@pytest.fixture
def taken(monkeypatch):
    """The locks that some other process has are those of these inodes."""
    inodes = set()

    def lock(descriptor: int) -> bool:
        if os.fstat(descriptor).st_ino in inodes:
            raise BlockingIOError
        return True

    monkeypatch.setattr(run_lock, "lock", lock)
    return inodes


@pytest.fixture(params=["posix", "nt"])
def lock_name(request, monkeypatch):
    """What is locked in a folder."""
    if request.param == "nt":
        monkeypatch.setattr(run_lock, "os", windows_os(path=os.path))
        return LOCK
    return "."


def test_the_process_may_have_it_twice(tmp_path, lock_name):
    first = RunLock.take(tmp_path)
    assert RunLock.take(tmp_path) is first
    assert first.descriptor >= 0
    assert (tmp_path / lock_name).exists()


def test_another_process_is_refused(tmp_path, lock_name, taken):
    (tmp_path / lock_name).touch()
    taken.add((tmp_path / lock_name).stat().st_ino)
    with pytest.raises(BlockingIOError, match="another process trains into this run folder"):
        RunDirectory.create(tmp_path.parent, tmp_path.name)
    taken.clear()
    assert RunLock.take(tmp_path) is not None


def test_the_folder_counts_as_empty_and_as_own(tmp_path, lock_name):
    run = RunDirectory.create(tmp_path, "a")
    assert {path.name for path in run.path.iterdir()} - {LOCK} == {MARKER}
    assert is_own_folder(str(run.path))
    del run
    assert RunDirectory.create(tmp_path, "a").path.is_dir()


def test_a_system_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    assert RunLock.take(tmp_path) is None
